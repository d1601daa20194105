/** The guest is on the container's networks, whatever kind they are of, and however many. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeBundle } from './support/bundle.ts';
import { output, run } from './support/command.ts';
import { scratch, ucrun } from './support/environment.ts';
import { runArgs, runGuest, startGuest, waitForReady } from './support/guests.ts';
import { firstAnswer, get } from './support/http.ts';
import { buildTrackerImage } from './support/images.ts';
import { inspect, podman, podmanOutput } from './support/podman.ts';

t.before(buildTrackerImage);

/** Make a network, which is removed at the end of the test. */
async function makeNetwork(t: Test, name: string, ...options: readonly string[]): Promise<void> {
  await podmanOutput(['network', 'create', ...options, name]);
  t.teardown(() => podman(['network', 'rm', '--force', name]));
}

const addressIn = (container: string, network: string) =>
  inspect(container, `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`);

async function annotationsOf(container: string): Promise<Readonly<Record<string, string>>> {
  const state = await output(ucrun, ['state', await inspect(container, '{{.Id}}')]);
  return (JSON.parse(state) as { annotations: Record<string, string> }).annotations;
}

/** What a Linux guest says of itself before it serves. */
const report = [
  'for card in /sys/class/net/eth*; do',
  'echo eth $(cat $card/mtu) $(ls -d $card/queues/tx-* | wc -l) $(cat $card/address); done;',
  'exec /srv/serve',
].join(' ');

t.test('a guest has a card for each network, with its MTU and a queue for each processor', async (t) => {
  await makeNetwork(t, 'nets-small', '--subnet', '10.91.1.0/24', '--opt', 'mtu=1280');
  await makeNetwork(t, 'nets-large', '--subnet', '10.91.2.0/24', '--opt', 'mtu=9000', '--internal');
  await makeNetwork(t, 'nets-late', '--subnet', '10.91.3.0/24');
  const name = 'nets-two';
  await startGuest(t, name, {
    service: 'linux',
    options: ['--network', 'nets-small,nets-large', '--annotation', 'ucrun.cpus=2'],
    args: ['sh', '-c', report],
  });
  const cards = [...(await podman(['logs', name])).stdout.matchAll(/^eth (\d+) (\d+) (\S+)\r?$/gm)];
  const macs = await inspect(name, '{{range .NetworkSettings.Networks}}{{.MacAddress}} {{end}}');
  t.strictSame(cards.map(([, mtu, queues]) => `${mtu} ${queues}`).sort(), ['1280 2', '9000 2']);
  t.strictSame(
    cards.map(([, , , mac]) => mac).sort(),
    macs.trim().split(' ').sort(),
    'and its hardware address',
  );

  const small = await addressIn(name, 'nets-small');
  const large = await addressIn(name, 'nets-large');
  for (const address of [small, large])
    t.match(await firstAnswer(`http://${address}:8080/`), /"name"/, 'it answers on each');
  const annotations = await annotationsOf(name);
  t.match(annotations, { 'ucrun.state.network': 'tap' });
  t.strictSame(annotations['ucrun.state.addresses']?.split(',').sort(), [large, small].sort());
  t.equal(annotations['ucrun.state.network.note'], undefined);

  await podmanOutput(['network', 'connect', 'nets-late', name]);
  t.match((await annotationsOf(name))['ucrun.state.network.note'], /^eth2 attached since the start/);
  await podmanOutput(['restart', '--time', '5', name]);
  await waitForReady(name, 2);
  t.equal((await annotationsOf(name))['ucrun.state.network.note'], undefined);
  for (const network of ['nets-small', 'nets-large', 'nets-late'])
    t.match(await firstAnswer(`http://${await addressIn(name, network)}:8080/`), /"name"/, network);

  await podmanOutput(['network', 'disconnect', 'nets-late', name]);
  t.match((await annotationsOf(name))['ucrun.state.network.note'], /^eth\d detached since the start$/);
  t.match(await get(`http://${await addressIn(name, 'nets-small')}:8080/`), /"name"/, 'the others stay');
});

t.test('a guest is on a macvlan network, and on one of IPv6 alone', async (t) => {
  await output('ip', ['link', 'add', 'netsv0', 'type', 'veth', 'peer', 'name', 'netsv1']);
  t.teardown(() => output('ip', ['link', 'delete', 'netsv0']));
  for (const device of ['netsv0', 'netsv1']) await output('ip', ['link', 'set', device, 'up']);
  await output('ip', ['address', 'add', '10.91.4.254/24', 'dev', 'netsv1']);
  await makeNetwork(
    t,
    'nets-macvlan',
    '--driver',
    'macvlan',
    '--opt',
    'parent=netsv0',
    '--subnet',
    '10.91.4.0/24',
  );
  await startGuest(t, 'nets-on-macvlan', { service: 'hello', options: ['--network', 'nets-macvlan'] });
  const address = await addressIn('nets-on-macvlan', 'nets-macvlan');
  t.match(JSON.parse(await firstAnswer(`http://${address}:8080/`)), { name: 'hello' });

  await makeNetwork(t, 'nets-ipv6', '--subnet', 'fd91:6::/64');
  await startGuest(t, 'nets-on-ipv6', { service: 'linux', options: ['--network', 'nets-ipv6'] });
  const ipv6 = await inspect(
    'nets-on-ipv6',
    '{{(index .NetworkSettings.Networks "nets-ipv6").GlobalIPv6Address}}',
  );
  t.match(JSON.parse(await firstAnswer(`http://[${ipv6}]:8080/`)), { name: String });
});

t.test('a guest has the routes of its namespace, and a gateway outside of its network', async (t) => {
  const [near, far] = ['ucrun-nets-near', 'ucrun-nets-far'];
  for (const namespace of [near, far]) {
    await output('ip', ['netns', 'add', namespace]);
    t.teardown(() => output('ip', ['netns', 'delete', namespace]));
  }
  const ip = (namespace: string, command: string) =>
    output('ip', ['-netns', namespace, ...command.split(' ')]);
  await ip(near, `link add eth0 type veth peer name eth0 netns ${far}`);
  for (const namespace of [near, far])
    for (const device of ['lo', 'eth0']) await ip(namespace, `link set ${device} up`);
  // As on hosts of clouds, and with Calico.
  await ip(near, 'address add 10.92.0.2/32 dev eth0');
  await ip(near, 'address add 10.92.0.3/32 dev eth0');
  await ip(near, 'route add 169.254.1.1 dev eth0 scope link');
  await ip(near, 'route add default via 169.254.1.1 dev eth0');
  await ip(near, 'route add 10.93.0.0/16 via 169.254.1.9 dev eth0 onlink');
  for (const address of ['169.254.1.1', '169.254.1.9', '10.93.0.1', '10.94.0.1'])
    await ip(far, `address add ${address}/32 dev eth0`);
  for (const address of ['10.92.0.2', '10.92.0.3']) await ip(far, `route add ${address} dev eth0`);

  const bundle = join(scratch, 'nets-bundle');
  const script = [
    'ip -4 addr show eth0 | grep -c inet.10.92',
    'ip route get 10.93.0.1 | head -1',
    'for address in 10.93.0.1 10.94.0.1; do ping -c 1 -W 20 $address >/dev/null; echo $address $?; done',
  ];
  await makeBundle(bundle, (spec) => {
    spec.process.env = ['SERVICE_NAME=linux'];
    spec.process.args = ['tracker', 'sh', '-c', script.join('; ')];
    spec.linux.namespaces = spec.linux.namespaces.map((entry) =>
      entry.type === 'network' ? { ...entry, path: `/run/netns/${near}` } : entry,
    );
  });
  const { status, stdout, stderr } = await run(ucrun, ['run', '--bundle', bundle, 'nets-routes'], {
    timeoutSeconds: 100,
  });
  t.equal(status, 0, stderr);
  const lines = stdout.replaceAll('\r', '').trimEnd().split('\n');
  t.strictSame(lines.slice(-2), ['10.93.0.1 0', '10.94.0.1 0']);
  t.match(stdout, /^2\r?$/m, 'it has both addresses');
  t.match(stdout, /^10\.93\.0\.1 via 169\.254\.1\.9 dev eth0/m);
  t.notMatch(
    await ip(near, '-oneline link'),
    /uctap/,
    'no tap stays in a namespace that outlives the container',
  );
});

t.test('a guest behind the user stack asks over IPv6, and for names, as its container would', async (t) => {
  await makeNetwork(t, 'nets-dual', '--ipv6', '--subnet', 'fd91:7::/64', '--subnet', '10.91.7.0/24');
  await startGuest(t, 'nets-named', { service: 'hello', options: ['--network', 'nets-dual'] });
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end('over IPv6\n');
  }).listen(8197, 'fd91:7::1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const ask = (address: string, port: number) =>
    `(echo GET / HTTP/1.0; echo; sleep 2) | nc -w 20 ${address} ${port}`;
  const script = [
    'found=$(nslookup nets-named | grep -o 10.91.7.[0-9]* | tail -1)',
    ask('$found', 8080),
    ask('fd91:7::1', 8197),
    'ip -4 addr show eth0 | grep -o inet.10.0.2.15',
  ].join('; ');
  const options = ['--rm', '--network', 'nets-dual', '--annotation', 'ucrun.network=user'];
  const { status, stdout, stderr } = await runGuest('nets-user', {
    service: 'linux',
    options,
    args: ['sh', '-c', script],
  });
  t.equal(status, 0, stderr);
  t.match(stdout, /"name":"hello"/, 'by name');
  t.match(stdout, /^over IPv6\r?$/m);
  t.match(stdout, /^inet 10\.0\.2\.15\r?$/m, 'it is behind the stack');

  const refused = await podman(
    runArgs('nets-tap', { service: 'hello', options: ['--rm', '--annotation', 'ucrun.network=tap'] }),
  );
  t.not(refused.status, 0);
  t.match(refused.stderr, /"ucrun\.network" in .* must be "auto"/, 'an image cannot ask for a tap');
});

t.test('a port that is published at one address of the host is offered there alone', async (t) => {
  await makeNetwork(t, 'nets-published', '--subnet', '10.91.8.0/24');
  const options = ['--network', 'nets-published', '--publish', '127.0.0.1:18421:8080'];
  await startGuest(t, 'nets-one-address', { service: 'hello', options });
  t.match(await firstAnswer('http://127.0.0.1:18421/'), /"hello"/);
  await t.rejects(get('http://10.91.8.1:18421/', 2));
});

t.test("a Linux guest has its container's search domains, on a tap and behind the user stack", async (t) => {
  const domains = ['first.example', 'second.example'].flatMap((domain) => ['--dns-search', domain]);
  for (const network of ['auto', 'user']) {
    const { status, stdout, stderr } = await runGuest(`nets-search-${network}`, {
      service: 'linux',
      options: ['--rm', '--annotation', `ucrun.network=${network}`, ...domains],
      args: ['cat', '/etc/resolv.conf'],
    });
    t.equal(status, 0, stderr);
    t.match(stdout, /^search first\.example second\.example( .*)?\r?$/m, network);
    t.match(stdout, /^nameserver /m, network);
  }
});

t.test('a raw guest that can only ask DHCP gets an address, and answers at its published port', async (t) => {
  const options = ['--publish', '18420:8080', '--annotation', 'ucrun.cmdline=ip=dhcp port={port}'];
  await startGuest(t, 'nets-dhcp', { service: 'hello', options });
  t.match(JSON.parse(await firstAnswer('http://127.0.0.1:18420/')), { cmdline: 'ip=dhcp port=8080' });
  t.match(
    (await podman(['logs', 'nets-dhcp'])).stderr,
    /^ucrun: network: user stack, as its command line has no place for an address/m,
  );
});

t.test(
  'a guest whose command line is full starts without the names of others, and the log says so',
  async (t) => {
    const added = ['--add-host', `${'x'.repeat(63)}.example:10.9.9.9`, '--add-host', 'db:10.9.9.8'];
    const hostsOf = (name: string, filling: number) =>
      runGuest(name, {
        service: 'linux',
        options: ['--rm', '--env', `FILLING=${'x'.repeat(filling)}`, ...added],
        args: ['cat', '/etc/hosts'],
      });
    const { stdout, status } = await hostsOf('nets-roomy', 100);
    t.equal(status, 0);
    t.match(stdout, /^10\.9\.9\.9 x{63}\.example\r?$/m);
    t.notMatch(stdout, /^ucrun: /m);

    const full = await hostsOf('nets-full', 1790);
    t.equal(full.status, 0, full.stderr);
    t.match(
      full.stdout + full.stderr,
      /^ucrun: network: \d of the \d entries of \/etc\/hosts left out, as /m,
    );
    t.notMatch(full.stdout, /^10\.9\.9\.9 /m);
    t.match(full.stdout, /^10\.9\.9\.8 db\r?$/m, 'a short one fits');
  },
);
