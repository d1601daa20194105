import t from 'tap';
import { formatIpv6, parseIpv6Gateways } from '../../src/unikernel/ipv6-routes.ts';
import { Random } from './support/random.ts';

t.test('formatIpv6() writes addresses as RFC 5952 demands', async (t) => {
  const cases: readonly [digits: string, text: string][] = [
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000000000001', '::1'],
    ['fd000000000000000000000000000001', 'fd00::1'],
    ['fe8000000000000000fc00fffe000001', 'fe80::fc:ff:fe00:1'],
    ['fd000000000000000000000000000000', 'fd00::'],
    ['20010db8000000000000000000000000', '2001:db8::'],
    // 4.1: no leading zeros.
    ['20010db8000a000b000c000d000e000f', '2001:db8:a:b:c:d:e:f'],
    // 4.2.1: as much as possible.
    ['20010db8000000000000000000020001', '2001:db8::2:1'],
    // 4.2.2: not a single group.
    ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['00000001000100010001000100010001', '0:1:1:1:1:1:1:1'],
    ['00010001000100010001000100010000', '1:1:1:1:1:1:1:0'],
    // 4.2.3: the longest run, and of equals the first.
    ['20010000000000010000000000000001', '2001:0:0:1::1'],
    ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['00000000000100000000000000010001', '0:0:1::1:1'],
    ['00000000000000010000000000010001', '::1:0:0:1:1'],
    ['0001000000000001000000000000ffff', '1:0:0:1::ffff'],
  ];
  for (const [digits, text] of cases) t.equal(formatIpv6(digits), text, digits);
});

t.test('formatIpv6() writes what a URL would', async (t) => {
  const random = new Random(6);
  const groups = ['0000', '0000', '0001', '0abc', 'ffff', 'f000'];
  for (let round = 0; round < 5000; round++) {
    const digits = Array.from({ length: 8 }, () => random.pick(groups)).join('');
    const { hostname } = new URL(`http://[${digits.match(/.{4}/g)?.join(':')}]/`);
    if (`[${formatIpv6(digits)}]` !== hostname) t.fail(`${digits}: ${formatIpv6(digits)}, not ${hostname}`);
  }
});

const zeros = '0'.repeat(32);
const gateway = (last: string) => `fe80${'0'.repeat(24)}${last}`;
const route = (nextHop: string, metric: string, flags: string, device: string) =>
  `${zeros} 00 ${zeros} 00 ${nextHop} ${metric} 00000002 00000000 ${flags} ${device.padStart(8)}`;

/** A host's table as the kernel wrote it. */
const captured = `fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000002 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0
00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo
fe8000000000000000fc00fffe000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001     eth0
ff000000000000000000000000000000 08 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000003 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
`;

t.test('parseIpv6Gateways() finds the default route of each device', async (t) => {
  t.strictSame(parseIpv6Gateways(captured), { eth0: 'fd00::1' });
  t.strictSame(parseIpv6Gateways(''), {});
  const table = [
    route(gateway('0001'), '00000400', '00000003', 'eth0'),
    route(gateway('0002'), '00000400', '00450003', 'eth1'),
    route(gateway('0003'), '00000400', '00000003', 'a-name-of-15-by'),
  ].join('\n');
  t.strictSame(parseIpv6Gateways(table), {
    eth0: 'fe80::1',
    eth1: 'fe80::2',
    'a-name-of-15-by': 'fe80::3',
  });
});

t.test('parseIpv6Gateways() prefers the lowest metric, and of equals the first', async (t) => {
  const metrics: readonly [metrics: readonly string[], which: number][] = [
    [['00000400', '00000064'], 1],
    [['00000064', '00000400'], 0],
    [['00000064', '00000064'], 0],
    [['ffffffff', '00000009', '0000000a'], 1],
    [['00000000', '00000001'], 0],
  ];
  for (const [list, which] of metrics) {
    const table = list.map((metric, index) => route(gateway(`000${index + 1}`), metric, '00000003', 'eth0'));
    t.strictSame(parseIpv6Gateways(table.join('\n')), { eth0: `fe80::${which + 1}` }, list.join());
  }
});

t.test('parseIpv6Gateways() passes over other routes and what is no route', async (t) => {
  const good = route(gateway('0001'), '00000400', '00000003', 'eth0');
  const others = [
    route(gateway('0002'), '00000001', '00000001', 'eth0'),
    route(gateway('0002'), '00000001', '00000002', 'eth0'),
    route(zeros, 'ffffffff', '00200200', 'eth0'),
    good.replace(/ 00 /, ' 40 '),
    good.replace(/^0000/, '2001'),
    // Only for what comes from a certain network.
    good.replace(`00 ${zeros} 00`, `00 fd00${'0'.repeat(28)} 40`),
    route(gateway('0002'), 'zzzzzzzz', '00000003', 'eth0'),
    route(gateway('0002'), '1', '00000003', 'eth0'),
    route(gateway('0002'), '-0000001', '00000003', 'eth0'),
    route(gateway('0002'), '00000001', 'nonsense', 'eth0'),
    route(gateway('002'), '00000001', '00000003', 'eth0'),
    route(gateway('000g'), '00000001', '00000003', 'eth0'),
    route(gateway('0002'), '00000001', '00000003', ''),
    `${route(gateway('0002'), '00000001', '00000003', 'eth0')} more`,
    good.slice(0, -20),
    'nonsense',
    '\0',
  ];
  for (const line of others) {
    for (const table of [`${line}\n${good}\n`, `${good}\n${line}`])
      t.strictSame(parseIpv6Gateways(table), { eth0: 'fe80::1' }, line);
    t.strictSame(parseIpv6Gateways(line), {}, line);
  }
});

t.test('parseIpv6Gateways() takes a device of any name', async (t) => {
  const table = ['constructor', '__proto__', 'toString'].map((name) =>
    route(gateway('0001'), '00000400', '00000003', name),
  );
  const found = parseIpv6Gateways(table.join('\n'));
  t.strictSame(Object.keys(found).sort(), ['__proto__', 'constructor', 'toString']);
});
