import t from 'tap';
import { parsePorts } from '../../src/unikernel/ports.ts';

t.test('parsePorts() reads every form', async (t) => {
  const tcp = (host: number, guest = host) => ({ host, guest, protocol: 'tcp' });
  const udp = (host: number, guest = host) => ({ host, guest, protocol: 'udp' });
  const cases: readonly [text: string, ports: object[]][] = [
    ['', []],
    [' , ', []],
    ['8080', [tcp(8080)]],
    ['8080/tcp', [tcp(8080)]],
    ['8080/udp', [udp(8080)]],
    ['8080:80', [tcp(8080, 80)]],
    ['8080:80/udp', [udp(8080, 80)]],
    ['1,65535', [tcp(1), tcp(65535)]],
    ['8080, 9090/udp ,', [tcp(8080), udp(9090)]],
    ['53,53/udp', [tcp(53), udp(53)]],
    ['8080:80,8081:80', [tcp(8080, 80), tcp(8081, 80)]],
  ];
  for (const [text, ports] of cases) t.strictSame(parsePorts(text, 'PORT'), ports, JSON.stringify(text));
});

t.test('parsePorts() names the entry that is no port', async (t) => {
  const cases = [
    '0',
    '65536',
    '99999',
    '123456',
    '-1',
    'http',
    '80/sctp',
    '80/',
    '80/TCP',
    ':80',
    '80:',
    '80:0',
    '0:80',
    '1:2:3',
    '8 0',
    '0x50',
    '80.0',
    '１',
  ];
  for (const entry of cases) {
    t.throws(
      () => parsePorts(`8080,${entry}`, 'PORT'),
      { code: 'PORT_INVALID', message: `"${entry}" in PORT is not a port`, hint: /from 1 to 65535/ },
      entry,
    );
  }
});

t.test('parsePorts() refuses to offer two ports on one', async (t) => {
  for (const text of ['80,80', '80,80/tcp', '80:1,80:2', '53/udp,1,53/udp']) {
    t.throws(
      () => parsePorts(text, 'PORT'),
      {
        code: 'PORT_INVALID',
        message: /^PORT names port (80\/tcp|53\/udp) twice$/,
        hint: /8080:80,8081:81$/,
      },
      text,
    );
  }
});
