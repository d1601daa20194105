import t from 'tap';
import { parseNameServers } from '../../src/unikernel/resolv-conf.ts';

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
