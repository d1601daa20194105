/** Machines that are stations on a bridge of the host's. The bridges are in the network namespace of the tests' environment. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { output, run } from './support/command.ts';
import { scratch, ucrun } from './support/environment.ts';
import { firstAnswer } from './support/http.ts';
import { type MachineHost, Machines } from './support/machine/subject.ts';
import { waitFor } from './support/wait.ts';

const host: MachineHost = {
  options: [],
  manager: 'ucrun',
  run: ([program = '', ...args], options) => run(program, args, options),
};
const machines = new Machines(host, ucrun);

const ip = (...args: readonly string[]) => output('ip', args);

/** The ports of a bridge, with what `ip` says of each. */
async function portsOf(bridge: string): Promise<readonly BridgePort[]> {
  return JSON.parse(await ip('-json', 'link', 'show', 'master', bridge)) as BridgePort[];
}

interface BridgePort {
  readonly ifname: string;
  readonly ifalias?: string;
  readonly address: string;
}

/** Have machines removed at the test's end, and check that they leave nothing on the bridges. */
function removeAtEnd(t: Test, ...names: readonly string[]): void {
  t.teardown(async () => {
    await machines.remove(...names);
    const links = await ip('-oneline', 'link');
    if (/ ucm/.test(links)) throw new Error(`taps stay:\n${links}`);
  });
}

t.before(async () => {
  for (const [bridge, ...addresses] of [
    ['ucbr0', '192.0.2.1/24', 'fd00:2::1/64'],
    ['ucbr1', '198.51.100.1/24'],
  ] as const) {
    await ip('link', 'add', bridge, 'type', 'bridge');
    await ip('link', 'set', bridge, 'up');
    for (const address of addresses)
      await ip('address', 'add', address, 'dev', bridge, ...(address.includes(':') ? ['nodad'] : []));
  }
});

t.teardown(async () => {
  for (const bridge of ['ucbr0', 'ucbr1']) await run('ip', ['link', 'delete', bridge]);
});

t.test('a guest on a bridge answers at the address that it was given', async (t) => {
  removeAtEnd(t, 'station');
  const network =
    'bridge:ucbr0,ip=192.0.2.2/24,gateway=192.0.2.1,ip=fd00:2::2/64,gateway=fd00:2::1,dns=192.0.2.53';
  await machines.create('station', ['--network', network, 'hello']);
  await machines.do('start', 'station');
  const { cmdline } = JSON.parse(await firstAnswer('http://192.0.2.2:8080/')) as { cmdline: string };
  t.match(
    cmdline,
    /ip=192\.0\.2\.2\/24 gw=192\.0\.2\.1 ip6=fd00:2::2\/64 gw6=fd00:2::1 .*dns=192\.0\.2\.53 port=8080/,
  );
  await firstAnswer('http://[fd00:2::2]:8080/');
  const machine = await machines.inspect('station');
  t.match(machine, { addresses: ['192.0.2.2', 'fd00:2::2'], ports: [] });
  t.match(
    await machines.do('ps', '--format', '{{.Name}} {{.Address}} {{.Ports}}'),
    /^station 192\.0\.2\.2, /m,
  );
  const { stdout: status } = await run('cat', [`/proc/${machine.pid}/status`]);
  t.match(status, /^Uid:\t18790\d+\t/m, 'QEMU has a user of its own');
  t.match(status, /^CapEff:\t0+$/m, 'and may do nothing');
  t.match(await portsOf('ucbr0'), [{ ifalias: 'ucrun:station', address: /^fe:/ }]);
  const { pid } = machine;
  const mac = /(?:02:[0-9a-f:]{14})/.exec(await ip('neighbour', 'show', '192.0.2.2'))?.[0];
  t.ok(mac);
  await machines.do('restart', 'station');
  t.not((await machines.inspect('station')).pid, pid);
  await firstAnswer('http://192.0.2.2:8080/');
  t.match(await ip('neighbour', 'show', '192.0.2.2'), mac, 'it keeps its hardware address');
  await machines.do('stop', 'station');
  t.strictSame(await portsOf('ucbr0'), [], 'and takes its port with it');
});

t.test('a guest has several cards, and one without an address asks for it', async (t) => {
  removeAtEnd(t, 'asks', 'linux-asks');
  const server = await startDhcp(t, 'ucbr1');
  await machines.create('asks', [
    ...['--network', 'bridge:ucbr0,ip=192.0.2.3/24', '--network', 'bridge:ucbr1'],
    'hello',
  ]);
  await machines.create('linux-asks', ['--network', 'bridge:ucbr1,mac=02:00:00:00:00:77', 'linux']);
  await machines.do('start', 'asks', 'linux-asks');
  await firstAnswer('http://192.0.2.3:8080/');
  t.equal((await portsOf('ucbr1')).length, 2);
  const addresses = await waitFor(
    'two leases',
    async () => {
      const leases = [...server.said().matchAll(/ACK to (198\.51\.100\.\d+)/g)].map(
        ([, address = '']) => address,
      );
      const found = new Set(leases);
      return found.size === 2 && [...found];
    },
    120,
  );
  for (const address of addresses) await firstAnswer(`http://${address}:8080/`);
  t.match((await ip('neighbour')).toLowerCase(), '02:00:00:00:00:77');
  const seen = await machines.inspect('linux-asks');
  t.ok(addresses.includes(seen.addresses[0] ?? ''), 'ucrun shows what the host has seen of it');
  t.match(
    await machines.do('ps', '--format', '{{.Name}} {{.Address}}'),
    /^asks 192\.0\.2\.3, 198\.51\.100\.\d+$/m,
  );
});

t.test('--ready-port waits for the guest at its own address', async (t) => {
  removeAtEnd(t, 'answers');
  await machines.create('answers', [
    '--network',
    'bridge:ucbr0,ip=192.0.2.4/24',
    '--ready-port',
    '8080',
    'hello',
  ]);
  await machines.do('start', 'answers');
  const response = await fetch('http://192.0.2.4:8080/', { signal: AbortSignal.timeout(60_000) });
  t.equal(response.status, 200, 'at the first try');
});

t.test('a QEMU that is killed leaves nothing on the bridge', async (t) => {
  removeAtEnd(t, 'killed');
  await machines.create('killed', ['--network', 'bridge:ucbr0,ip=192.0.2.5/24', 'hello']);
  await machines.do('start', 'killed');
  const { pid } = await machines.inspect('killed');
  await output('kill', ['-KILL', `${pid}`]);
  t.match(await machines.waitForStatus('killed', 'exited'), { exitStatus: 137 });
  t.strictSame(await portsOf('ucbr0'), []);

  await machines.do('start', 'killed');
  const { pid: second } = await machines.inspect('killed');
  // The one that waits for QEMU first, so that nobody sees its end.
  const stat = await output('cat', [`/proc/${second}/stat`]);
  const parent = /\) \S (\d+) /.exec(stat)?.[1] ?? '';
  await output('kill', ['-KILL', parent]);
  await output('kill', ['-KILL', `${second}`]);
  t.equal((await portsOf('ucbr0')).length, 1);
  await machines.do('stop', 'killed');
  t.strictSame(await portsOf('ucbr0'), [], 'the next command sees to it');
  t.match(await machines.inspect('killed'), { status: 'exited', exitStatus: 137 });
});

t.test('what cannot be is said when the machine is made', async (t) => {
  removeAtEnd(t, 'taken', 'no');
  await machines.create('taken', ['--network', 'bridge:ucbr0,ip=192.0.2.6/24', 'hello']);
  await ip('link', 'add', 'ucbr2', 'type', 'bridge');
  t.teardown(() => run('ip', ['link', 'delete', 'ucbr2']));
  const network = (text: string) => ['--network', text] as const;
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [network('bridge:nobr'), /the host has no bridge "nobr"\nhint: its bridges are: ucbr0/],
    [network('bridge:lo'), /the host has no bridge "lo"/],
    [network('bridge:ucbr2'), /the bridge "ucbr2" is down/],
    [network('bridge:ucbr0,ip=192.0.2.1/24'), /192\.0\.2\.1 is the bridge's own address/],
    [network('bridge:ucbr0,ip=192.0.2.6/24'), /machine "taken" has 192\.0\.2\.6 on bridge "ucbr0" already/],
    [network('bridge:ucbr0,ip=192.0.2.7'), /not an address with the length of its network/],
    [
      [...network('bridge:ucbr0'), '--port', '8080'],
      /--port and --network bridge .*\nhint: .*an address of its own/,
    ],
    [[...network('bridge:ucbr0'), ...network('none')], /option --network is "none"/],
  ];
  for (const [options, message] of cases)
    t.match(
      await machines.run('create', '--name', 'no', ...options, 'hello'),
      { status: 1, stderr: message },
      options.join(' '),
    );
  t.match(await machines.run('update', '--port', '1:2', 'taken'), {
    status: 1,
    stderr: /publishes no ports/,
  });
  await ip('link', 'delete', 'ucbr2');
  t.match(await machines.run('inspect', 'no'), { status: 1 }, 'none of them is there');
});

t.test('a bridge that has gone keeps a machine from starting, and is all', async (t) => {
  removeAtEnd(t, 'lost');
  await ip('link', 'add', 'ucbr3', 'type', 'bridge');
  await ip('link', 'set', 'ucbr3', 'up');
  await machines.create('lost', ['--network', 'bridge:ucbr3', 'hello']);
  await ip('link', 'delete', 'ucbr3');
  t.match(await machines.run('start', 'lost'), { status: 1, stderr: /the host has no bridge "ucbr3"/ });
  t.match(await machines.inspect('lost'), { status: 'created' });
});

t.test("an ordinary user's machine cannot be on a bridge", async (t) => {
  const home = join(scratch, 'bridge-user');
  await mkdir(home);
  await output('chown', ['1000:1000', home]);
  const user = [
    '--reuid=1000',
    '--regid=1000',
    '--clear-groups',
    'env',
    `HOME=${home}`,
    `XDG_RUNTIME_DIR=${home}`,
  ];
  const create = await run('setpriv', [
    ...[...user, ucrun, 'machine', 'create', '--name', 'mine', '--network', 'bridge:ucbr0', 'hello'],
  ]);
  t.match(create, { status: 1, stderr: /is root's to run: .*\nhint: .*sudo.*--port/ });
});

/** A DHCP server on a bridge. @returns what it has said so far */
async function startDhcp(t: Test, bridge: string): Promise<{ said(): string }> {
  const folder = join(scratch, 'dhcp');
  await mkdir(folder);
  const lines = [
    'start 198.51.100.100',
    'end 198.51.100.120',
    `interface ${bridge}`,
    `lease_file ${folder}/leases`,
    `pidfile ${folder}/pid`,
    'option subnet 255.255.255.0',
    'option router 198.51.100.1',
  ];
  await writeFile(join(folder, 'leases'), '');
  await writeFile(join(folder, 'conf'), `${lines.join('\n')}\n`);
  const server = spawn('busybox', ['udhcpd', '-f', join(folder, 'conf')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [server.stdout, server.stderr])
    stream.on('data', (chunk) => {
      said += chunk;
    });
  t.teardown(async () => {
    const ended = once(server, 'exit');
    server.kill();
    await ended;
  });
  await waitFor('the DHCP server', () => said.includes('started'));
  return { said: () => said };
}
