import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import t, { type Test } from 'tap';
import { ask, startServer } from './behaviour/network.ts';
import { shell } from './behaviour/row.ts';
import { quote, run } from './command.ts';
import { type Engine, outputOf, podmanEngine } from './engine.ts';
import { inspect, logOf, startGuest } from './engine-guests.ts';
import { registry, scratch, ucrun } from './environment.ts';
import { firstAnswer } from './http.ts';
import { buildPlainImage, buildTrackerImage } from './images.ts';
import { type NetworkCheck, type NetworkMode, networkMatrix, networkModes } from './network-matrix.ts';
import { type Outside, outsideAddress, sampleBytes, serveOutside, sha256 } from './outside.ts';
import { waitFor } from './wait.ts';

const families = ['IPv4', 'IPv6', 'dual'] as const;
type Family = (typeof families)[number];

interface Cell {
  readonly mode: NetworkMode;
  readonly family: Family;
  readonly networks: readonly string[];
  readonly guest: 'hello' | 'linux';
  readonly name: string;
  /** The first of two ports that are published. */
  readonly port: number;
  /** A plain container on the same networks. */
  readonly neighbour: string;
  /** The test's own server, as the guest writes it: by IPv4, by IPv6. */
  readonly outside: readonly string[];
}

const mtu = 1400;
const bytes = 1_000_000;

/** Test a kind of guest on each kind of network, one guest for each. */
export function runMatrix(mode: NetworkMode, guest: Cell['guest']): void {
  if (mode === 'passt' && !existsSync('/usr/bin/passt')) {
    t.plan(0, 'passt is not installed');
    return;
  }
  let engine: Engine | undefined;
  let outside: Outside | undefined;
  t.before(async () => {
    await buildPlainImage();
    await buildTrackerImage();
    outside = await serveOutside();
    engine = { ...podmanEngine(''), runtime: [`--runtime=${await makeRuntime(mode, guest)}`] };
  });
  t.after(() => outside?.stop());

  for (const [index, family] of families.entries()) {
    t.test(`${mode}, ${family}`, async (t) => {
      if (engine === undefined || outside === undefined) throw new Error('nothing was started');
      const theEngine = engine;
      const networks = await makeNetworks(t, engine, mode, guest, family);
      const neighbour = `mx-${mode}-${guest}-neighbour-${index}`;
      await startServer(t, engine, neighbour, joining(networks));
      const { port } = outside;
      const urls = [
        ...(family === 'IPv6' ? [] : [`${outsideAddress.ipv4}:${port}`]),
        ...(family === 'IPv4' ? [] : [`[${outsideAddress.ipv6}]:${port}`]),
      ];
      for (const count of [1, 2]) {
        const cell: Cell = {
          mode,
          family,
          networks: networks.slice(0, count),
          guest,
          name: `mx-${mode}-${index}-${guest}-${count}`,
          port: 18600 + placeOf(mode, guest) * 20 + index * 4 + (count - 1) * 2,
          neighbour,
          outside: urls,
        };
        await t.test(`${guest} on ${count === 1 ? 'one network' : 'two networks'}`, (t) =>
          checkCell(t, theEngine, cell),
        );
      }
    });
  }
}

/** Test files run side by side: each has subnets and ports of its own. */
function placeOf(mode: NetworkMode, guest: Cell['guest']): number {
  return 2 * networkModes.indexOf(mode) + (guest === 'linux' ? 1 : 0);
}

/** A ucrun that joins guests in one way. */
async function makeRuntime(mode: NetworkMode, guest: Cell['guest']): Promise<string> {
  const config = join(scratch, `matrix-${mode}-${guest}.toml`);
  await writeFile(config, `registries = [${JSON.stringify(registry)}]\nnetwork.mode = "${mode}"\n`);
  const runtime = join(scratch, `matrix-${mode}-${guest}`);
  await writeFile(runtime, `#!/bin/sh\nexport UCRUN_CONFIG=${quote(config)}\nexec ${quote(ucrun)} "$@"\n`);
  await chmod(runtime, 0o755);
  return runtime;
}

async function makeNetworks(
  t: Test,
  engine: Engine,
  mode: NetworkMode,
  guest: Cell['guest'],
  family: Family,
): Promise<readonly string[]> {
  const names: string[] = [];
  for (const number of [1, 2]) {
    const name = `mx-${mode}-${guest}-${family.toLowerCase()}-${number}`;
    const block = 10 * families.indexOf(family) + number;
    const place = 120 + placeOf(mode, guest);
    const subnets = [
      ...(family === 'IPv6' ? [] : ['--subnet', `10.${place}.${block}.0/24`]),
      ...(family === 'IPv4' ? [] : ['--subnet', `fd00:${place}:${block}::/64`]),
    ];
    await outputOf(engine, ['network', 'create', ...subnets, '--opt', `mtu=${mtu}`, name]);
    t.teardown(() => outputOf(engine, ['network', 'rm', name]));
    names.push(name);
  }
  return names;
}

function joining(networks: readonly string[]): readonly string[] {
  return networks.flatMap((network) => ['--network', network]);
}

async function checkCell(t: Test, engine: Engine, cell: Cell): Promise<void> {
  const { name, networks, mode, family, guest, port } = cell;
  /** Compare what was found with what the table promises. */
  const holds: Holds = (check, isSo, about) => {
    t.equal(isSo, isPromised(check, cell), `${check}: ${about}`);
  };
  const publishing = ['--publish', `${port}:8080`, '--publish', `${port + 1}:9000/udp`];
  await startGuest(t, engine, name, {
    service: guest,
    options: [...joining(networks), ...publishing, '--env', 'PORT=8080,9000/udp'],
    args: guest === 'hello' ? ['udp=9000'] : shell(linuxScript(cell)),
  });
  const addresses = await addressesOf(engine, name, networks);

  for (const address of addresses) {
    const isIpv6 = address.includes(':');
    const url = `http://${isIpv6 ? `[${address}]` : address}:8080/`;
    const check = isIpv6 ? 'answers at its IPv6 addresses' : 'answers at its IPv4 addresses';
    holds(check, await isAnswered(url, isPromised(check, cell)), url);
  }
  const host = family === 'IPv6' ? `[${outsideAddress.ipv6}]` : '127.0.0.1';
  const isPublished = isPromised('is reached at published ports', cell);
  const published = await isAnswered(`http://${host}:${port}/`, isPublished);
  holds('is reached at published ports', published, `port ${port}`);
  const isNamed = isPromised('is found by its name', cell);
  const named = await isAsked(engine, cell.neighbour, `http://${name}:8080/`, isNamed);
  holds('is found by its name', named, name);

  if (guest === 'hello') {
    if (!isPublished) return;
    await checkHello(t, holds, cell, `http://${host}:${port}`);
  } else {
    await checkLinux(t, holds, cell, await logOf(engine, name));
  }
  await outputOf(engine, ['pause', name]);
  for (const address of addresses) {
    const { status } = await run('busybox', ['ping', '-c', '1', '-W', '1', address]);
    holds('answers ping itself', status !== 0, `nobody answers at ${address} while it is paused`);
  }
  await outputOf(engine, ['unpause', name]);
  if (networkMatrix['answers ping itself'][mode] !== 'yes') return;
  for (const address of addresses)
    await waitFor(`ping at ${address}`, async () => {
      return (await run('busybox', ['ping', '-c', '1', '-W', '1', address])).status === 0;
    });
}

function isPromised(check: NetworkCheck, { mode, family, networks }: Cell): boolean {
  const told: (typeof networkMatrix)[NetworkCheck][NetworkMode] = networkMatrix[check][mode];
  switch (told) {
    case 'yes':
      return true;
    case 'over IPv4':
      return family !== 'IPv6';
    case 'where the network has IPv4 alone':
      return family === 'IPv4';
    case 'one card for all':
      return networks.length === 1;
    default:
      return false;
  }
}

/** Whether a plain container is answered. @param isExpected whether to wait for it */
async function isAsked(
  engine: Engine,
  container: string,
  url: string,
  isExpected: boolean,
): Promise<boolean> {
  if (isExpected) return (await ask(engine, container, url)).includes('uptime');
  return (await engine.call(['exec', container, 'wget', '-q', '-T', '5', '-O', '-', url])).status === 0;
}

/** @param isExpected whether to wait for it */
async function isAnswered(url: string, isExpected: boolean): Promise<boolean> {
  if (isExpected) return (await firstAnswer(url)).includes('uptime');
  return fetch(url, { signal: AbortSignal.timeout(2000) }).then(
    () => true,
    () => false,
  );
}

async function addressesOf(
  engine: Engine,
  name: string,
  networks: readonly string[],
): Promise<readonly string[]> {
  const all = await Promise.all(
    networks.map((network) => {
      const entry = `(index .NetworkSettings.Networks "${network}")`;
      return inspect(engine, name, `{{${entry}.IPAddress}} {{${entry}.GlobalIPv6Address}}`);
    }),
  );
  return all.flatMap((line) => line.split(' ')).filter((address) => address !== '');
}

type Holds = (check: NetworkCheck, isSo: boolean, about: string) => void;

/** Asks hello for all there is, by HTTP. */
async function checkHello(t: Test, holds: Holds, cell: Cell, url: string): Promise<void> {
  const get = async (path: string) =>
    (await fetch(`${url}${path}`, { signal: AbortSignal.timeout(60_000) })).text();
  const fetched = (of: string) => get(`/fetch?url=${encodeURIComponent(of)}`);
  for (const server of cell.outside) {
    const check = server.startsWith('[') ? 'reaches others over IPv6' : 'reaches others over IPv4';
    const answer = await fetched(`http://${server}/bytes/${bytes}`);
    const sum = crc32(sampleBytes(bytes)).toString(16).padStart(8, '0');
    holds(check, answer.includes(`200, ${bytes} bytes, sum ${sum}`), answer);
  }
  const named = await fetched(`http://${cell.neighbour}/group`);
  holds('finds containers by their names', / 200, 23 bytes/.test(named), named);
  const body = sampleBytes(bytes);
  const sum = await (
    await fetch(`${url}/sum`, { method: 'POST', body, signal: AbortSignal.timeout(60_000) })
  ).text();
  const expected = crc32(body).toString(16).padStart(8, '0');
  holds('transfers are whole, both ways', sum.includes(`${bytes} bytes, sum ${expected}`), sum);
  const answer = await fetch(`${url}/bytes/${bytes}`, { signal: AbortSignal.timeout(60_000) });
  const pattern = Buffer.from(await answer.arrayBuffer());
  holds('transfers are whole, both ways', pattern.equals(helloBytes(bytes)), 'what it makes');
  if (cell.family !== 'IPv6') t.equal(await echo(cell.port + 1), 'over UDP', 'its published UDP port');
}

/** @see hack/hello-unikernel/README.md */
function helloBytes(count: number): Buffer {
  const made = Buffer.alloc(count);
  for (let index = 0; index * 4 < count; index++)
    made.writeUInt32LE(Math.imul(index, 0x9e3779b1) >>> 0, index * 4);
  return made;
}

/** Datagrams may be lost: one is sent until one comes back. */
async function echo(port: number): Promise<string> {
  const socket = createSocket('udp4');
  const answer = once(socket, 'message') as Promise<[Buffer]>;
  const timer = setInterval(() => socket.send('over UDP', port, '127.0.0.1'), 200);
  try {
    const [message] = await Promise.race([
      answer,
      new Promise<never>((_, reject) => {
        setTimeout(() => reject(new Error(`no datagram from port ${port}`)), 20_000).unref();
      }),
    ]);
    return message.toString();
  } finally {
    clearInterval(timer);
    socket.close();
  }
}

/** A Linux guest finds out for itself before it serves, and prints it. Its command line has no room for more. */
function linuxScript({ outside, neighbour }: Cell): string {
  return [
    'set -- /sys/class/net/eth*; echo cards $# $(cat /sys/class/net/eth0/mtu)',
    `f() { wget -q -O /tmp/x http://$1/bytes/${bytes} && echo got $1 $(sha256sum </tmp/x); wget -q -O - --post-file=/tmp/x http://$1/sum; }`,
    ...outside.map((server) => `f ${server}`),
    `wget -q -O - http://${neighbour}/group | wc -c`,
    'PORT=8080 exec /srv/serve',
  ].join('; ');
}

async function checkLinux(t: Test, holds: Holds, cell: Cell, log: string): Promise<void> {
  const sum = sha256(sampleBytes(bytes));
  for (const server of cell.outside) {
    const check = server.startsWith('[') ? 'reaches others over IPv6' : 'reaches others over IPv4';
    const isReached = log.includes(`got ${server} ${sum}`);
    holds(check, isReached, log);
    if (isReached) holds('transfers are whole, both ways', log.includes(`${bytes} ${sum}`), 'what it sends');
  }
  holds('finds containers by their names', /^23\r?$/m.test(log), log);
  const [, cards, own] = /^cards (\d+) (\d+)/m.exec(log) ?? [];
  holds('has a card for each network', Number(cards) === cell.networks.length, `${cards} cards`);
  holds("has the network's MTU", Number(own) === mtu, `${own} bytes`);
  t.notMatch(log, /panic|Oops/);
}
