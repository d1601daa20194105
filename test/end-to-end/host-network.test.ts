/** `--network host`: unikernels of one host have its address, each a port of its own, by which they reach each other. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { output } from './support/command.ts';
import { monitorOf, runGuest, startGuest } from './support/guests.ts';
import { firstAnswer, get } from './support/http.ts';
import { buildTrackerImage } from './support/images.ts';
import { outsideAddress } from './support/outside.ts';

// 10.0.2.2 is where QEMU's user stack has the host's loopback.
const loopbackOfHost = '10.0.2.2';

t.before(async () => {
  await buildTrackerImage();
  await output('ip', ['address', 'replace', `${outsideAddress.ipv4}/32`, 'dev', 'lo']);
});

const onHost = (port: string) => ['--network', 'host', '--env', `PORT=${port}`];

t.test('trackers of one host are reached at its address, and reach each other there', async (t) => {
  // Of 8080, which a tracker has by rights, there is one for all the tests.
  const trackers = [
    { name: 'hn-first', port: '18110', at: 18110 },
    { name: 'hn-second', port: '18111', at: 18111 },
    { name: 'hn-third', port: '18112:80', at: 18112 },
  ] as const;
  for (const { name, port } of trackers) {
    await startGuest(t, name, { service: 'hello', options: onHost(port), args: [`tracker=${name}`] });
  }
  for (const { name, at, port } of trackers) {
    for (const address of ['127.0.0.1', outsideAddress.ipv4])
      t.match(
        JSON.parse(await firstAnswer(`http://${address}:${at}/`)).cmdline,
        new RegExp(`\\bport=${port.split(':').at(-1)} tracker=${name}\\b`),
        address,
      );
  }
  const requestsOf = async (at: number) => JSON.parse(await get(`http://127.0.0.1:${at}/`)).requests;
  for (const { name, at } of trackers) {
    for (const other of trackers.filter((tracker) => tracker.at !== at)) {
      for (const address of [loopbackOfHost, outsideAddress.ipv4]) {
        const url = `http://${address}:${other.at}/`;
        const before = await requestsOf(other.at);
        t.match(await get(`http://127.0.0.1:${at}/fetch?url=${url}`), `got ${url} 200, `);
        t.equal(await requestsOf(other.at), before + 2, `${name} asked ${other.name} itself at ${address}`);
      }
    }
  }

  const taken = await runGuest('hn-again', { service: 'hello', options: ['--rm', ...onHost('18113,18110')] });
  t.not(taken.status, 0);
  t.equal(taken.stdout, '', 'nothing has run');
  t.match(taken.stderr, 'port 18110/tcp is taken by another process');
  t.match(taken.stderr, 'PORT=OUTSIDE:18110', 'and the remedy');
});

t.test('several ports, one of them of UDP, and each the one that it says', async (t) => {
  await startGuest(t, 'hn-udp', {
    service: 'hello',
    options: onHost('18114:8080,18115:9000/udp'),
    args: ['udp=9000'],
  });
  t.match(JSON.parse(await firstAnswer('http://127.0.0.1:18114/')), { cmdline: /\bport=8080\b/ });
  t.equal(await echo(18115, 'there and back'), 'there and back');

  const taken = await runGuest('hn-udp-again', {
    service: 'hello',
    options: ['--rm', ...onHost('18115/udp')],
  });
  t.not(taken.status, 0);
  t.match(taken.stderr, 'port 18115/udp is taken by another process');
  await startGuest(t, 'hn-tcp-beside', { service: 'hello', options: onHost('18115') });
  t.match(await firstAnswer('http://127.0.0.1:18115/'), /"hello"/, 'that of TCP is another port');
});

t.test('an empty PORT: the guest runs, and nobody listens for it', async (t) => {
  await startGuest(t, 'hn-silent', { service: 'hello', options: onHost('') });
  t.strictSame(await socketsOf('hn-silent'), [], 'not at the port of its definition either');
  await startGuest(t, 'hn-heard', { service: 'hello', options: onHost('18116') });
  t.match(await socketsOf('hn-heard'), [/:18116\b/], 'where one that listens shows');
});

/** What a guest's QEMU listens at on the host: lines of ss(8). */
async function socketsOf(name: string): Promise<readonly string[]> {
  const pid = await monitorOf(name);
  const lines = (await output('ss', ['-H', '-l', '-n', '-t', '-u', '-p'])).split('\n');
  return lines.filter((line) => line.includes(`pid=${pid},`));
}

/** Send a datagram to a port of the host's, again and again as it may be lost. @returns what comes back */
async function echo(port: number, text: string): Promise<string> {
  const socket = createSocket('udp4');
  const timer = setInterval(() => socket.send(text, port, '127.0.0.1'), 200);
  try {
    const [message] = await once(socket, 'message', { signal: AbortSignal.timeout(30_000) });
    return String(message);
  } finally {
    clearInterval(timer);
    socket.close();
  }
}
