/**
 * What the sample unikernel can do on a network, which other tests rely on: here on taps and stacks of the test's own, without ucrun, so that
 * a fault is its own.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32 } from 'node:zlib';
import t, { type Test } from 'tap';
import { startBadLink } from './support/bad-link.ts';
import { makeTap, startBareHello } from './support/bare-hello.ts';
import { output, run } from './support/command.ts';
import { startNameServer } from './support/name-server.ts';

const MiB = 1024 * 1024;
const mac = '02:00:00:00:77:02';
const linkLocal = 'fe80::ff:fe00:7702';
const addresses = ['10.77.0.1/24', 'fd77::1/64'];
const words = 'ip=10.77.0.2/24 gw=10.77.0.1 ip6=fd77::2/64 gw6=fd77::1';
const both = ['10.77.0.2', '[fd77::2]'] as const;

const hex = (sum: number) => sum.toString(16).padStart(8, '0');

/** The bytes of /bytes/N, as hack/hello-unikernel/README.md describes them. */
function pattern(length: number): Buffer {
  const numbers = new Uint32Array(Math.ceil(length / 4));
  for (let k = 0; k < numbers.length; k++) numbers[k] = Math.imul(k, 0x9e3779b1);
  return Buffer.from(numbers.buffer, 0, length);
}

/** A whole answer: status and body. */
async function ask(url: string, body?: Buffer): Promise<readonly [status: number, body: Buffer]> {
  const response = await fetch(url, {
    ...(body === undefined ? {} : { method: 'POST', body }),
    signal: AbortSignal.timeout(60_000),
  });
  return [response.status, Buffer.from(await response.arrayBuffer())];
}

async function askText(url: string, body?: Buffer): Promise<string> {
  return (await ask(url, body))[1].toString();
}

async function ping(address: string, size = 56): Promise<boolean> {
  const { status } = await run('busybox', ['ping', '-c', '1', '-W', '10', '-s', String(size), address]);
  return status === 0;
}

t.test(
  'it answers ping and HTTP over both families and two cards, from the card that was asked',
  async (t) => {
    const first = await makeTap(t, 'hn-two0', addresses);
    const second = await makeTap(t, 'hn-two1', ['10.77.1.1/24', 'fd77:1::1/64']);
    const cards = [
      { netdev: first, mac },
      { netdev: second, mac: '02:00:00:00:77:03' },
    ];
    // The words' order is not the cards': what counts is the hardware address.
    const cmdline = [
      'ip=10.77.1.2/24 ip6=fd77:1::2/64 mac=02:00:00:00:77:03',
      `ip:2=10.77.0.2/24 ip6:2=fd77::2/64 mac:2=${mac}`,
    ].join(' ');
    const hello = await startBareHello(t, cards, cmdline);
    t.match(hello.printed(), /^hello: ready after \d+ ms, http:\/\/10\.77\.0\.2:8080\/$/m);
    for (const address of ['10.77.0.2', 'fd77::2', '10.77.1.2', 'fd77:1::2', `${linkLocal}%hn-two0`])
      t.ok(await ping(address), `ping ${address}`);
    for (const host of ['10.77.0.2', '[fd77::2]', '10.77.1.2', '[fd77:1::2]'])
      t.match(JSON.parse(await askText(`http://${host}:8080/`)), { name: 'hello', cmdline }, host);
  },
);

t.test('without IPv4 it is ready all the same, and its words are checked', async (t) => {
  const netdev = await makeTap(t, 'hn-six', addresses);
  const hello = await startBareHello(t, [{ netdev, mac }], 'ip6=fd77::2/64 gw6=fd77::1 port=80');
  t.match(hello.printed(), /^hello: ready after \d+ ms, http:\/\/\[fd77::2\]:80\/$/m);
  t.match(await askText('http://[fd77::2]/'), '"name":"hello"');

  const bad: readonly (readonly [word: string, expected: RegExp])[] = [
    ['ip6=fd77::2', /expected an IPv6 address with its prefix length/],
    ['ip6=fd77:::2/64', /expected an IPv6 address with its prefix length/],
    ['ip6=::1/128', /expected an IPv6 address with its prefix length/],
    ['gw6=10.0.0.1', /expected an IPv6 address, such as/],
    ['ip:9=10.0.0.2/24', /expected a number from 1 to 8/],
    ['mac=02:00:00:00:77', /expected a card's hardware address/],
    ['mtu=9001', /expected a number from 576 to 9000/],
    ['dns=10.0.0.1,x', /expected up to four addresses/],
    ['get=https://x/', /expected a URL that begins with http:/],
  ];
  for (const [word, expected] of bad) {
    const ended = await startBareHello(t, [], word);
    t.equal(await ended.ended(), (2 << 1) | 1, word);
    t.match(ended.printed(), expected);
    t.match(ended.printed(), `"${word}"`);
  }
});

t.test('large transfers arrive whole, both ways and over both families', async (t) => {
  const netdev = await makeTap(t, 'hn-large', addresses);
  await startBareHello(t, [{ netdev, mac }], words);
  const expected = pattern(64 * MiB);
  for (const host of both) {
    const [status, body] = await ask(`http://${host}:8080/bytes/${64 * MiB}`);
    t.equal(status, 200);
    t.ok(body.equals(expected), `64 MiB from ${host}`);
    const sum = await askText(`http://${host}:8080/sum`, expected);
    t.equal(sum, `${64 * MiB} bytes, sum ${hex(crc32(expected))}\n`, `64 MiB to ${host}`);
  }
  const odd = pattern(MiB + 3);
  const several = Array.from({ length: 20 }, async (_, index) => {
    const host = both[index % 2];
    const [[, body], sum] = await Promise.all([
      ask(`http://${host}:8080/bytes/${odd.length}`),
      askText(`http://${host}:8080/sum`, odd),
    ]);
    return body.equals(odd) && sum === `${odd.length} bytes, sum ${hex(crc32(odd))}\n`;
  });
  t.strictSame(new Set(await Promise.all(several)), new Set([true]), 'forty at once');
  t.equal(await askText('http://10.77.0.2:8080/sum', Buffer.alloc(0)), '0 bytes, sum 00000000\n');
  t.equal((await ask('http://10.77.0.2:8080/bytes/many'))[0], 400);

  const curl = ['--silent', '--show-error', '--max-time', '60', '--header', 'Expect: 100-continue'];
  const put = await run('curl', [...curl, '--data-binary', '@-', 'http://10.77.0.2:8080/sum'], {
    input: 'abc',
  });
  t.match(put, { status: 0, stdout: `3 bytes, sum ${hex(crc32('abc'))}\n` }, 'asked for leave to send');
});

/** An HTTP server on a free port of every address, until the test ends. */
async function startServer(t: Test, body: Buffer): Promise<number> {
  const server = createServer((request, response) => {
    if (request.url === '/none') response.writeHead(404).end('none\n');
    else if (request.url === '/cut')
      response.writeHead(200, { 'content-length': 10 }).write('cut', () => response.destroy());
    else response.end(body);
  });
  server.listen(0, '::');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

t.test('it finds others by name and gets what they serve', async (t) => {
  const netdev = await makeTap(t, 'hn-out', addresses);
  const names = {
    four: ['10.77.0.1'],
    six: ['fd77::1'],
    'dual.example.org': ['10.77.0.1', 'fd77::1'],
    // 10.77.0.99 is nobody, and 192.0.2.1 is beyond a gateway that does not forward.
    'late.example.org': ['10.77.0.99', '192.0.2.1', '10.77.0.1'],
    silent: [],
  };
  const body = pattern(16 * MiB);
  const port = await startServer(t, body);
  const sum = `${body.length} bytes, sum ${hex(crc32(body))}`;
  for (const server of ['10.77.0.1', 'fd77::1']) {
    await t.test(`with the name server ${server}`, async (t) => {
      await startNameServer(t, server, names);
      const hello = await startBareHello(t, [{ netdev, mac }], `${words} dns=${server}`);
      const get = (url: string) => askText(`http://10.77.0.2:8080/fetch?url=${encodeURIComponent(url)}`);
      for (const name of ['four', 'six', 'dual.example.org', 'late.example.org', '10.77.0.1', '[fd77::1]']) {
        const url = `http://${name}:${port}/some/path?query`;
        t.equal(await get(url), `got ${url} 200, ${sum}\n`);
      }
      t.equal(
        await get(`http://four:${port}/none`),
        `got http://four:${port}/none 404, 5 bytes, sum ${hex(crc32('none\n'))}\n`,
      );
      const failures = {
        [`http://four:${port}/cut`]: 'the answer ended before its length',
        'http://nobody/': 'there is no such name',
        'http://four:1/': 'the connection is refused',
        'http://silent/': 'no name server answers',
      };
      for (const [url, why] of Object.entries(failures))
        t.equal(await get(url), `cannot get ${url}: ${why}\n`);
      t.match(await get('ftp://four/'), 'the URL must be like http://name:8080/path');
      t.notMatch(hello.printed(), /exception/);
    });
  }

  await startNameServer(t, '10.77.0.1', names);
  const start = async (url: string) => {
    const hello = await startBareHello(t, [{ netdev, mac }], `${words} dns=10.77.0.1 get=${url} exit=9`);
    return { status: await hello.ended(), printed: hello.printed() };
  };
  const url = `http://dual.example.org:${port}/`;
  t.match(await start(url), { status: (9 << 1) | 1, printed: `\nhello: got ${url} 200, ${sum}\n` });
  t.match(await start('http://nobody/'), {
    status: (3 << 1) | 1,
    printed: '\nhello: cannot get http://nobody/: there is no such name\n',
  });
});

t.test('UDP comes back as it came', async (t) => {
  const netdev = await makeTap(t, 'hn-udp', addresses);
  await startBareHello(t, [{ netdev, mac }], `${words} udp=9000`);
  for (const [type, host] of [
    ['udp4', '10.77.0.2'],
    ['udp6', 'fd77::2'],
  ] as const) {
    const socket = createSocket(type);
    t.teardown(() => socket.close());
    for (const length of [1, 2, 3, 1000, 1452]) {
      const answered = once(socket, 'message', { signal: AbortSignal.timeout(20_000) });
      socket.send(pattern(length + 4).subarray(4), 9000, host);
      const [message] = (await answered) as [Buffer];
      t.ok(message.equals(pattern(length + 4).subarray(4)), `${length} bytes from ${host}`);
    }
  }
});

t.test('the MTU of its card holds, both ways', async (t) => {
  for (const { mtu, tapMtu, cmdline } of [
    { mtu: 1280, tapMtu: 1500, cmdline: words },
    { mtu: 1280, tapMtu: 1500, cmdline: `${words} mtu=1280` },
    { mtu: 9000, tapMtu: 9000, cmdline: words },
  ]) {
    await t.test(`${mtu} on a tap of ${tapMtu}: ${cmdline}`, async (t) => {
      const netdev = await makeTap(t, 'hn-mtu', addresses, tapMtu);
      const card = { netdev, mac, ...(cmdline.includes('mtu=') ? {} : { hostMtu: mtu }) };
      await startBareHello(t, [card], cmdline);
      t.ok(await ping('10.77.0.2', mtu - 28), 'the largest ping fits');
      t.ok(await ping('fd77::2', mtu - 48), 'the largest ping of IPv6 fits');
      const data = pattern(4 * MiB);
      for (const [host, header] of [
        ['10.77.0.2', 40],
        ['[fd77::2]', 60],
      ] as const) {
        const before = await packets('hn-mtu');
        t.ok((await ask(`http://${host}:8080/bytes/${data.length}`))[1].equals(data));
        const between = await packets('hn-mtu');
        t.match(await askText(`http://${host}:8080/sum`, data), hex(crc32(data)));
        const after = await packets('hn-mtu');
        // With time stamps in them, the segments of the host hold twelve bytes less.
        const least = Math.ceil(data.length / (mtu - header));
        const out = between.received - before.received;
        const into = after.sent - between.sent;
        t.ok(out >= least && out < 1.1 * least + 20, `${out} packets from ${host}, at least ${least}`);
        t.ok(into >= least && into < 1.1 * least + 20, `${into} packets to ${host}, at least ${least}`);
      }
    });
  }
});

/** How many packets the host has got from a tap, and sent into it. */
async function packets(tap: string): Promise<{ readonly received: number; readonly sent: number }> {
  const [link] = JSON.parse(await output('ip', ['-json', '-statistics', 'link', 'show', tap]));
  return { received: link.stats64.rx.packets, sent: link.stats64.tx.packets };
}

t.test('it takes addresses and name servers from DHCP and from routers', async (t) => {
  // QEMU's own stack has both. Its gateway is the host's loopback.
  const body = Buffer.from('from the host\n');
  const port = await startServer(t, body);
  const netdev = 'user,ipv4=on,ipv6=on,net=10.0.2.0/24';
  const hello = await startBareHello(t, [{ netdev, mac }], `get=http://10.0.2.2:${port}/ exit=0`);
  t.equal(await hello.ended(), 1);
  t.match(hello.printed(), /^hello: ready after \d+ ms, http:\/\/10\.0\.2\.15:8080\/$/m);
  t.match(hello.printed(), `${body.length} bytes, sum ${hex(crc32(body))}\n`);

  const six = await startBareHello(t, [{ netdev, mac }], `ip6=auto get=http://[fec0::2]:${port}/ exit=0`);
  t.equal(await six.ended(), 1);
  t.match(six.printed(), /^hello: ready after \d+ ms, http:\/\/\[fec0::ff:fe00:7702\]:8080\/$/m);
  t.match(six.printed(), `${body.length} bytes, sum ${hex(crc32(body))}\n`);
});

/** The same numbers from 0 to 1 in each run, so that a failure comes again. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

t.test('what is lost, late or doubled on the way comes in order in the end', async (t) => {
  const tap = await makeTap(t, 'hn-lossy', addresses);
  const random = numbers(7);
  const link = await startBadLink(t, tap, (frame) => {
    const chance = random();
    if (chance < 0.01) return [];
    if (chance < 0.03) return [[frame, 3]];
    if (chance < 0.04)
      return [
        [frame, 0],
        [frame, 0],
      ];
    return [[frame, 0]];
  });
  await startBareHello(t, [{ netdev: link.netdev, mac }], words);
  const data = pattern(3 * MiB);
  for (const host of both) {
    t.ok((await ask(`http://${host}:8080/bytes/${data.length}`))[1].equals(data), `from ${host}`);
    t.equal(
      await askText(`http://${host}:8080/sum`, data),
      `${data.length} bytes, sum ${hex(crc32(data))}\n`,
      `to ${host}`,
    );
  }
  t.ok(link.frames() > (4 * 3 * MiB) / 1500, 'all of it over that link');
});

/** Where a segment's data begins in its connection, for one over IPv4 that has as much of it as fits. */
function sequenceIfFull(frame: Buffer): number | undefined {
  const isTcp = frame.length > 1000 && frame.readUInt16BE(12) === 0x0800 && frame[23] === 6;
  return isTcp ? frame.readUInt32BE(38) : undefined;
}

t.test('what is lost near the end is sent again before a timer runs out', async (t) => {
  const tap = await makeTap(t, 'hn-tail', addresses);
  let lost: { readonly sequence: number; readonly at: number } | undefined;
  let quickest = Number.POSITIVE_INFINITY;
  const link = await startBadLink(t, tap, (frame, to) => {
    const sequence = to === 'tap' ? sequenceIfFull(frame) : undefined;
    if (sequence === undefined) return [[frame, 0]];
    if (lost === undefined) {
      lost = { sequence, at: performance.now() };
      return [];
    }
    if (sequence === lost.sequence) quickest = Math.min(quickest, performance.now() - lost.at);
    return [[frame, 0]];
  });
  await startBareHello(t, [{ netdev: link.netdev, mac }], words);
  // Of three segments the first is lost: the two others cannot cause three duplicates. A host that is busy may be late now and then.
  for (let attempt = 0; attempt < 20 && quickest > 250; attempt++) {
    lost = undefined;
    const [, body] = await ask('http://10.77.0.2:8080/bytes/4000');
    if (!body.equals(pattern(4000))) t.fail(`what came at attempt ${attempt}`);
  }
  t.ok(quickest < 250, `after ${quickest} ms, and not the timer's 300`);
});

t.test('no frame can make it crash or stop', async (t) => {
  const tap = await makeTap(t, 'hn-fuzz', addresses);
  const random = numbers(11);
  let mutations = 0;
  const link = await startBadLink(t, tap, (frame, to) => {
    if (to === 'tap' || random() < 0.5) return [[frame, 0]];
    mutations += 4;
    return [[frame, 0], ...[0, 1, 2, 3].map(() => [mutated(frame, random), 0] as const)];
  });
  const hello = await startBareHello(t, [{ netdev: link.netdev, mac }], `${words} udp=9000 dns=10.77.0.1`);
  await startNameServer(t, '10.77.0.1', { four: ['10.77.0.1'] });
  const port = await startServer(t, pattern(100_000));
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  for (let round = 0; mutations < 3000 && round < 500; round++) {
    const host = both[round % 2];
    // Whether a mutated frame takes one of these down does not count: hello's own life does.
    await Promise.allSettled([
      ask(`http://${host}:8080/bytes/50000`),
      ask(`http://${host}:8080/sum`, pattern(50_000)),
      ask(`http://${host}:8080/fetch?url=http://four:${port}/`),
      ping('10.77.0.2', 100),
      ping('fd77::2', 100),
      new Promise((resolve) => socket.send('some data', 9000, '10.77.0.2', resolve)),
    ]);
  }
  t.ok(mutations >= 3000, `${mutations} bad frames`);
  for (const host of both) t.match(await askText(`http://${host}:8080/`), '"name":"hello"');
  t.notMatch(hello.printed(), /exception/);
});

/** A frame that is cut, has other bytes, or holds nonsense; its checksums are often right all the same. */
function mutated(frame: Buffer, random: () => number): Buffer {
  const below = (limit: number) => Math.floor(random() * limit);
  let bytes = Buffer.from(frame);
  const kind = below(4);
  if (kind === 0) bytes = bytes.subarray(0, 14 + below(bytes.length - 14));
  else if (kind === 1) for (let i = 14; i < bytes.length; i++) bytes[i] = below(256);
  else
    for (let count = 1 + below(4); count > 0; count--)
      bytes[12 + below(Math.min(bytes.length, 100) - 12)] =
        kind === 2 ? below(256) : ([0, 1, 127, 128, 255][below(5)] ?? 0);
  if (random() < 0.7) mendChecksums(bytes);
  return bytes;
}

/** Makes the checksums of IP, and of what is in it, right as far as there is room for them. */
function mendChecksums(bytes: Buffer): void {
  const isIpv4 = bytes.length >= 34 && bytes.readUInt16BE(12) === 0x0800;
  const isIpv6 = bytes.length >= 54 && bytes.readUInt16BE(12) === 0x86dd;
  if (!isIpv4 && !isIpv6) return;
  const start = isIpv4 ? 14 + ((bytes[14] ?? 0) & 15) * 4 : 54;
  if (isIpv4 && start <= bytes.length) {
    bytes.writeUInt16BE(0, 24);
    bytes.writeUInt16BE(checksum(bytes.subarray(14, start)), 24);
  }
  const length = isIpv4 ? bytes.readUInt16BE(16) - (start - 14) : bytes.readUInt16BE(18);
  const protocol = bytes[isIpv4 ? 23 : 20] ?? 0;
  const at = new Map([
    [1, 2],
    [6, 16],
    [17, 6],
    [58, 2],
  ]).get(protocol);
  if (at === undefined || length < at + 2 || start + length > bytes.length) return;
  const pseudo = Buffer.concat([
    bytes.subarray(isIpv4 ? 26 : 22, isIpv4 ? 34 : 54),
    Buffer.from([0, protocol, length >> 8, length & 255]),
  ]);
  const payload = bytes.subarray(start, start + length);
  payload.writeUInt16BE(0, at);
  payload.writeUInt16BE(checksum(protocol === 1 ? payload : Buffer.concat([pseudo, payload])), at);
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
