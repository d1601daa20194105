import t from 'tap';
import { parseNameServers, parseSearchDomains } from '../../src/unikernel/resolv-conf.ts';

t.test('parseNameServers() takes the name servers in their order', async (t) => {
  const cases: readonly [text: string, servers: readonly string[]][] = [
    ['', []],
    ['nameserver 1.1.1.1\n', ['1.1.1.1']],
    ['search a b\nnameserver 10.88.0.1\nnameserver fd00::1\noptions ndots:0', ['10.88.0.1', 'fd00::1']],
    ['  nameserver\t1.1.1.1   # comment\r\n', ['1.1.1.1']],
    ['#nameserver 1.1.1.1\n; nameserver 2.2.2.2\nnameserver\nnameservers 3.3.3.3\n', []],
  ];
  for (const [text, servers] of cases) t.strictSame(parseNameServers(text), servers, JSON.stringify(text));
});

t.test('parseSearchDomains() takes the domains of the last line that has any', async (t) => {
  const many = Array.from({ length: 40 }, (_, index) => `d${index}.example`);
  const cases: readonly [text: string, domains: readonly string[]][] = [
    ['', []],
    ['nameserver 1.1.1.1\n', []],
    ['search a.example b\nnameserver 1.1.1.1\n', ['a.example', 'b']],
    ['domain a\nsearch  b\tc_d.example.  # comment\r\n', ['b', 'c_d.example.']],
    ['search a\ndomain b\n', ['b']],
    ['search .\n', []],
    ['#search a\n;search b\nsearch\nsearching c\n', []],
    ['search a,b "c" -d e- ;f\n', []],
    [`search ${many.join(' ')}\n`, many.slice(0, 22)],
  ];
  for (const [text, domains] of cases) t.strictSame(parseSearchDomains(text), domains, JSON.stringify(text));
});
