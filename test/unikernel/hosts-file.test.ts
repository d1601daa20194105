import t from 'tap';
import { type HostEntry, parseHosts } from '../../src/unikernel/hosts-file.ts';

const nobody = { addresses: [], hostname: undefined };
const db: HostEntry = { address: '10.9.9.9', names: ['db'] };

t.test('parseHosts() reads hosts(5)', async (t) => {
  const cases: readonly [text: string, entries: readonly HostEntry[]][] = [
    ['', []],
    ['10.9.9.9\tdb\n', [db]],
    ['10.9.9.9 db', [db]],
    ['# 1.1.1.1 a\n  10.9.9.9  db # 1.1.1.1 b\r\n\n', [db]],
    ['10.9.9.9 db#x\n10.9.9.9\n10.9.9.9 #db', [db]],
    [
      '2001:db8::1 Six six.example my_db\n',
      [{ address: '2001:db8::1', names: ['Six', 'six.example', 'my_db'] }],
    ],
    ['10.9.9.9 db\n0.0.0.0 db\n', [db, { address: '0.0.0.0', names: ['db'] }]],
  ];
  for (const [text, entries] of cases) t.strictSame(parseHosts(text, nobody), entries, JSON.stringify(text));
});

t.test('parseHosts() leaves out what is no address or no name', async (t) => {
  const addresses = ['1', '1.2.3', '1.2.3.4.5', '1.2.3.', '256.1.1.1', '01.2.3.4', '1.2.3.4/24', '0x1.2.3.4'];
  const others = [
    '::g',
    '1::2::3',
    ':::',
    'fe80::1%eth0',
    '::ffff:1.2.3.4',
    '12345::',
    '1:2:3:4:5:6:7',
    'db',
    '"',
    '1;2',
  ];
  for (const address of [...addresses, ...others])
    t.strictSame(parseHosts(`${address} name`, nobody), [], address);
  for (const name of [
    'a;b',
    'a,b',
    'a=b',
    'a"b',
    "a'",
    '$(x)',
    '`x`',
    '-a',
    'a-',
    '.a',
    'é',
    'a\x00',
    'a\x1b[1m',
    'a*',
  ])
    t.strictSame(parseHosts(`10.9.9.9 ${name} db`, nobody), [db], JSON.stringify(name));
  t.strictSame(parseHosts(`10.9.9.9 ${'x'.repeat(254)} db`, nobody), [db]);
});

t.test('parseHosts() leaves out what is not true in the guest, or known to it', async (t) => {
  const text = [
    '127.0.0.1 localhost vm',
    '127.0.1.1 box',
    '::1 localhost six',
    '0:0:0:0:0:0:0:1 six',
    'fe00::0 ip6-localnet',
    'ff02::1 ip6-allnodes ip6-allrouters',
    '10.88.0.2 named',
    '10.88.0.3 web cc',
    '10.9.9.9 localhost db ip6-db',
  ].join('\n');
  t.strictSame(parseHosts(text, { addresses: ['10.88.0.2'], hostname: 'web' }), [db]);
  t.strictSame(
    parseHosts(text, nobody).map(({ address }) => address),
    ['10.88.0.2', '10.88.0.3', '10.9.9.9'],
  );
});
