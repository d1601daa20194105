import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import t, { type Test } from 'tap';
import { carryOut } from '../../src/host/health-probe.ts';
import { processStartTime } from '../../src/host/processes.ts';
import type { HttpProbe, TcpProbe } from '../../src/unikernel/probe-order.ts';

async function listen(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A port at which nothing listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const init = { pid: process.pid, startTime: processStartTime(process.pid) ?? '' };
const target = { address: '127.0.0.1', guestPort: 80, timeoutMs: 5000, init };
const tcp = (port: number, change: Partial<TcpProbe> = {}) =>
  carryOut({ kind: 'tcp', ...target, port, behind: undefined, ...change });
const http = (port: number, path = '/', change: Partial<HttpProbe> = {}) =>
  carryOut({ kind: 'http', ...target, port, path, ...change });

t.test('carryOut() of words says them', async (t) => {
  const said = await carryOut({ kind: 'say', line: 'so it is', status: 126 });
  t.match(said, { line: 'so it is', status: 126 });
});

t.test('carryOut() of a tcp probe', async (t) => {
  const port = await listen(t, createServer());
  t.strictSame(await tcp(port), { status: 0, line: 'ucrun-probe: tcp port 80 is open' });
  t.match(await tcp(await closedPort()), {
    status: 1,
    line: 'tcp port 80 is closed: the connection was refused',
  });
});

t.test('carryOut() of a tcp probe behind a user stack without an answering QEMU is no success', async (t) => {
  const port = await listen(t, createServer());
  const behind = 'user';
  t.strictSame(await tcp(port, { behind, timeoutMs: 300 }), {
    status: 1,
    line: 'ucrun-probe: tcp port 80 has not answered in 300 ms',
  });
  const closing = await listen(
    t,
    createServer((socket) => socket.end()),
  );
  t.match(await tcp(closing, { behind }), {
    status: 1,
    line: 'tcp port 80 is closed: the guest refused the connection',
  });
});

t.test('carryOut() of a tcp probe behind passt waits for a refusal of the guest', async (t) => {
  const behind = 'passt';
  const port = await listen(t, createServer());
  t.match(await tcp(port, { behind, timeoutMs: 300 }), { status: 0, line: 'tcp port 80 is open' });
  const refusing = await listen(
    t,
    createServer((socket) => setTimeout(() => socket.resetAndDestroy(), 50)),
  );
  t.match(await tcp(refusing, { behind }), {
    status: 1,
    line: 'tcp port 80 is closed: the connection was cut off without an answer',
  });
});

t.test('carryOut() ends with the container', async (t) => {
  const silent = await listen(t, createServer());
  const container = spawn('sleep', ['60']);
  t.teardown(() => container.kill('SIGKILL'));
  await once(container, 'spawn');
  const pid = container.pid ?? 0;
  setTimeout(() => container.kill('SIGKILL'), 100);
  t.match(await http(silent, '/', { init: { pid, startTime: processStartTime(pid) ?? '' } }), {
    status: 1,
    line: /cannot be asked: the container has ended$/,
  });
});

t.test('carryOut() of an http probe goes by the status, and follows nothing', async (t) => {
  const asked: unknown[] = [];
  const server = createHttpServer((request, response) => {
    asked.push([request.method, request.url, request.headers.host]);
    response.writeHead(Number(request.url?.slice(1)), { location: '/500' });
    response.end('x'.repeat(100_000));
  });
  const port = await listen(t, server);
  for (const [answer, status] of [
    [200, 0],
    [204, 0],
    [302, 0],
    [399, 0],
    [400, 1],
    [404, 1],
    [503, 1],
  ] as const) {
    t.strictSame(await http(port, `/${answer}`), {
      status,
      line: `ucrun-probe: GET http://localhost:80/${answer} answers ${answer}`,
    });
    t.strictSame(asked.pop(), ['GET', `/${answer}`, 'localhost:80']);
  }
});

t.test('carryOut() of an http probe names what goes wrong', async (t) => {
  t.match(await http(await closedPort()), { status: 1, line: /connection was refused$/ });
  const silent = await listen(t, createServer());
  t.match(await http(silent, '/', { timeoutMs: 200 }), { status: 1, line: /has not answered in 200 ms$/ });
  const cutting = await listen(
    t,
    createServer((socket) => socket.once('data', () => socket.destroy())),
  );
  t.match(await http(cutting), { status: 1, line: /cut off without an answer$/ });
  const babbling = await listen(
    t,
    createServer((socket) => socket.end('SSH-2.0-x\r\n')),
  );
  t.match(await http(babbling), { status: 1, line: /does not speak HTTP$/ });
});
