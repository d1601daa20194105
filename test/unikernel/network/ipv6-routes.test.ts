import t from 'tap';
import { formatIpv6, parseIpv6Routes } from '../../../src/unikernel/network/ipv6-routes.ts';
import { Random } from '../support/random.ts';

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
const address = (last: string) => `fe80${'0'.repeat(24)}${last}`;
const line = (to: string, nextHop: string, metric: string, flags: string, device: string) =>
  `${to} ${zeros} 00 ${nextHop} ${metric} 00000002 00000000 ${flags} ${device.padStart(8)}`;
const everywhere = `${zeros} 00`;

/** A host's table as the kernel wrote it. */
const captured = `fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000002 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0
00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo
fe8000000000000000fc00fffe000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001     eth0
ff000000000000000000000000000000 08 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000003 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
`;

t.test('parseIpv6Routes() reads what a kernel wrote', async (t) => {
  t.strictSame(parseIpv6Routes(captured), [
    { device: 'eth0', destination: 'fd00::', prefixLength: 64, gateway: undefined, metric: 256 },
    { device: 'eth0', destination: '::', prefixLength: 0, gateway: 'fd00::1', metric: 1024 },
  ]);
  t.strictSame(parseIpv6Routes(''), []);
});

t.test('parseIpv6Routes() reads routes of every kind that a guest can have', async (t) => {
  const network = `20010db8000000000000000000000000 20`;
  const host = `20010db8000000000000000000000007 80`;
  const cases: readonly [text: string, route: object][] = [
    [
      line(everywhere, address('0002'), '00000400', '00450003', 'eth1'),
      { destination: '::', prefixLength: 0, gateway: 'fe80::2', device: 'eth1' },
    ],
    [
      line(network, address('0003'), '00000064', '00000003', 'a-name-of-15-by'),
      {
        destination: '2001:db8::',
        prefixLength: 32,
        gateway: 'fe80::3',
        metric: 100,
        device: 'a-name-of-15-by',
      },
    ],
    [
      line(host, zeros, '00000400', '00000005', 'eth0'),
      { destination: '2001:db8::7', prefixLength: 128, gateway: undefined },
    ],
    [
      line(everywhere, zeros, '00000400', '00000001', 'eth0'),
      { destination: '::', prefixLength: 0, gateway: undefined },
    ],
  ];
  for (const [text, route] of cases) t.match(parseIpv6Routes(`${text}\n`), [route], text);
});

t.test('parseIpv6Routes() passes over other routes and what is no route', async (t) => {
  const good = line(everywhere, address('0001'), '00000400', '00000003', 'eth0');
  const [found] = parseIpv6Routes(good);
  t.ok(found);
  const others = [
    line(everywhere, address('0002'), '00000001', '00000002', 'eth0'),
    line(everywhere, zeros, 'ffffffff', '00200200', 'eth0'),
    line(everywhere, zeros, '00000001', '00000201', 'eth0'),
    // To oneself, to anybody, to whoever listens, learned from a router.
    line(`fd00${'0'.repeat(28)} 80`, zeros, '00000000', '80200001', 'eth0'),
    line(`fd00${'0'.repeat(28)} 80`, zeros, '00000000', '00300001', 'eth0'),
    line(`ff02${'0'.repeat(28)} 10`, zeros, '00000100', '00000001', 'eth0'),
    line(`20010db8${'0'.repeat(24)} 40`, zeros, '00000100', '00040001', 'eth0'),
    // Only for what comes from a certain network.
    good.replace(`00 ${zeros} 00`, `00 fd00${'0'.repeat(28)} 40`),
    good.replace(/ 00 /, ' 81 '),
    line(everywhere, address('0002'), 'zzzzzzzz', '00000003', 'eth0'),
    line(everywhere, address('0002'), '1', '00000003', 'eth0'),
    line(everywhere, address('0002'), '-0000001', '00000003', 'eth0'),
    line(everywhere, address('0002'), '00000001', 'nonsense', 'eth0'),
    line(everywhere, address('002'), '00000001', '00000003', 'eth0'),
    line(everywhere, address('000g'), '00000001', '00000003', 'eth0'),
    line(everywhere, address('0002'), '00000001', '00000003', ''),
    `${line(everywhere, address('0002'), '00000001', '00000003', 'eth0')} more`,
    good.slice(0, -20),
    'nonsense',
    '\0',
  ];
  for (const other of others) {
    for (const table of [`${other}\n${good}\n`, `${good}\n${other}`])
      t.strictSame(parseIpv6Routes(table), [found], other);
    t.strictSame(parseIpv6Routes(other), [], other);
  }
});

t.test('parseIpv6Routes() takes a device of any name', async (t) => {
  const names = ['constructor', '__proto__', 'toString'];
  const table = names.map((name) => line(everywhere, address('0001'), '00000400', '00000003', name));
  t.strictSame(
    parseIpv6Routes(table.join('\n')).map(({ device }) => device),
    names,
  );
});
