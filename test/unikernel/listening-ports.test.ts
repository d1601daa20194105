import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import t from 'tap';
import { parseListeningPorts } from '../../src/unikernel/listening-ports.ts';

const header =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

t.test('parseListeningPorts() finds listening TCP sockets and no others', async (t) => {
  const text = [
    header,
    '   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 112 1 0 100 0 0 10 0',
    '   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 113 1 0 100 0 0 10 0',
    '   2: 020200C0:91A6 507100CB:0050 01 00000000:00000000 03:00000886 00000000     0        0 0 3 0',
    '   3: 020200C0:91A7 507100CB:0050 06 00000000:00000000 03:00000886 00000000     0        0 0 3 0',
    '',
  ].join('\n');
  t.strictSame([...parseListeningPorts(text)], [8080, 8081]);
});

t.test('parseListeningPorts() finds UDP sockets that are not connected', async (t) => {
  const text = [
    header,
    '  10: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 20 2 0 0',
    '  11: 0100007F:A1B2 0100007F:0035 01 00000000:00000000 00:00000000 00000000     0        0 21 2 0 0',
    '  12: 0100007F:A1B3 0100007F:0035 07 00000000:00000000 00:00000000 00000000     0        0 21 2 0 0',
  ].join('\n');
  t.strictSame([...parseListeningPorts(text)], [53]);
});

t.test('parseListeningPorts() takes anything else for nothing', async (t) => {
  for (const text of ['', header, 'nonsense', '   0: 00000000:1F90'])
    t.strictSame([...parseListeningPorts(text)], []);
});

t.test('parseListeningPorts() counts the IPv6 sockets that take IPv4 connections', async (t) => {
  const line = (address: string, port: string) =>
    `   0: ${address}:${port} ${'0'.repeat(32)}:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0`;
  const text = [
    line('0'.repeat(32), '0050'),
    line('0000000000000000FFFF00000100007F', '0051'),
    line('00000000000000000000000001000000', '0052'),
  ].join('\n');
  t.strictSame([...parseListeningPorts(text)], [80, 81], 'not that of ::1');
  t.strictSame([...parseListeningPorts(text, '::')], [80, 81, 82], 'but to a socket of both families');
});

t.test('parseListeningPorts() counts for one address those at it, and at all', async (t) => {
  const line = (address: string, port: string) =>
    `   0: ${address}:${port} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0`;
  const text = [
    line('00000000', '0050'),
    line('0100007F', '0051'),
    line('0200007F', '0052'),
    line('0000000000000000FFFF00000100007F', '0053'),
    line('0'.repeat(32), '0054'),
    line('000080FE00000000FF005450B6F54CFE', '0055'),
  ].join('\n');
  t.strictSame([...parseListeningPorts(text, '127.0.0.1')], [80, 81, 83, 84]);
  t.strictSame([...parseListeningPorts(text, '10.0.0.1')], [80, 84]);
});

t.test('parseListeningPorts() knows what the kernel writes of a socket', async (t) => {
  const hosts = [
    '127.0.0.1',
    '0.0.0.0',
    ...(existsSync('/proc/net/if_inet6') ? ['::ffff:127.0.0.1', '::'] : []),
  ];
  for (const host of hosts) {
    const server = createServer().listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const text = ['tcp', 'tcp6'].map((name) => readFileSync(`/proc/self/net/${name}`, 'utf8')).join('\n');
    server.close();
    t.ok(parseListeningPorts(text).has(port), host);
    t.ok(parseListeningPorts(text, '127.0.0.1').has(port), host);
    t.equal(parseListeningPorts(text, '127.0.0.2').has(port), !host.includes('127'), host);
  }
});
