/** Guests that passt joins to their container's network, from the sandbox. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { output, quote, run } from './support/command.ts';
import { type Docker, noDocker, startDocker } from './support/docker.ts';
import { outputOf } from './support/engine.ts';
import { guestArgs, logOf, startGuest as startEngineGuest } from './support/engine-guests.ts';
import { registry, repository, scratch, ucrun } from './support/environment.ts';
import { monitorOf, processesOf, removeAtEnd, runArgs, runGuest, startGuest } from './support/guests.ts';
import { firstAnswer, get } from './support/http.ts';
import { buildPlainImage, buildTrackerImage, plainImage, trackerImage } from './support/images.ts';
import { nothingLeft, tracesOf } from './support/leftovers.ts';
import { type Outside, outsideAddress, sampleBytes, serveOutside, sha256 } from './support/outside.ts';
import { inspect, podman, podmanOutput, removeContainers } from './support/podman.ts';
import { noRootless, type Rootless, startRootless } from './support/rootless.ts';
import { waitFor } from './support/wait.ts';

const isThere = existsSync('/usr/bin/passt');
const skip = isThere ? false : 'passt is not installed';

const folder = join(scratch, 'passt');
const runtime = join(folder, 'ucrun-passt');
const overPasst = ['--runtime', runtime];
/** IPv4 and IPv6. */
const network = 'passt-net';
const subnets = ['10.97.0.0/24', 'fd00:97::/64'];
let outside: Outside | undefined;

async function makeRuntime(name: string, settings: string): Promise<string> {
  const config = `${join(folder, name)}.toml`;
  const common = `registries = [${JSON.stringify(registry)}]\noverlay_dir = "${folder}/overlays"\n`;
  await writeFile(config, common + settings);
  const path = join(folder, name);
  const script = `#!/bin/sh\nexport UCRUN_CONFIG=${quote(config)}\nexec ${quote(ucrun)} "$@"\n`;
  await writeFile(path, script, { mode: 0o755 });
  return path;
}

t.before(async () => {
  await buildPlainImage();
  await buildTrackerImage();
  await mkdir(join(folder, 'share'), { recursive: true });
  await makeRuntime('ucrun-passt', 'network.mode = "passt"\n');
  await podmanOutput([
    ...['network', 'create', '--ipv6', ...subnets.flatMap((subnet) => ['--subnet', subnet])],
    network,
  ]);
  await output('gcc', [
    ...['-O1', '-static', '-o', join(folder, 'share/udp-echo')],
    join(repository, 'test/end-to-end/support/udp-echo.c'),
  ]);
  outside = await serveOutside();
});
t.after(async () => {
  await outside?.stop();
  await podman(['network', 'rm', '--force', network]);
});

/** The container's address in {@link network}. */
const addressIn = (name: string, field: 'IPAddress' | 'GlobalIPv6Address') =>
  inspect(name, `{{(index .NetworkSettings.Networks "${network}").${field}}}`);

const stateOf = async (name: string) => {
  const id = await inspect(name, '{{.Id}}');
  return JSON.parse(await output(runtime, ['state', id])).annotations;
};

/** What a UDP server answers. */
async function echoOf(address: string, port: number, text: string): Promise<string> {
  const socket = createSocket('udp4');
  try {
    return await waitFor(`an echo from ${address}:${port}`, async () => {
      socket.send(text, port, address);
      const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(2000) });
      return `${answer}`;
    });
  } finally {
    socket.close();
  }
}

t.test("a guest has its container's address, and answers at its published port", { skip }, async (t) => {
  const options = [...overPasst, '--network', network, '--publish', '18400:8080', '--env', 'PORT=8080'];
  await startGuest(t, 'pt-hello', { service: 'hello', options });
  const address = await addressIn('pt-hello', 'IPAddress');
  t.match(await stateOf('pt-hello'), {
    'ucrun.state.network': 'passt',
    'ucrun.state.address': address,
  });
  t.match(JSON.parse(await firstAnswer('http://127.0.0.1:18400/')), {
    cmdline: new RegExp(`\\bip=${address}/24 gw=10\\.97\\.0\\.1\\b`),
  });
  t.match(await get(`http://${address}:8080/`), /"hello"/, "at the container's own address");

  // A container that joins the namespace keeps its network, and so does the guest.
  const server = ['httpd', '-f', '-p', '9091', '-h', '/etc'];
  const joined = ['run', '--detach', '--name', 'pt-sidecar', '--network', 'container:pt-hello'];
  await podmanOutput([...joined, plainImage, ...server]);
  t.teardown(() => removeContainers('pt-sidecar'));
  t.match(await firstAnswer(`http://${address}:9091/passwd`), /root:x:0/, 'the sidecar is reached');
  const wget = ['exec', 'pt-sidecar', 'wget', '-q', '-O', '-', 'http://127.0.0.1:8080/'];
  t.match(await podmanOutput(wget), /"hello"/, 'and reaches the guest');
  t.match(await get('http://127.0.0.1:18400/'), /"hello"/);
  await podmanOutput(['exec', '--detach', 'pt-sidecar', 'httpd', '-f', '-p', '[::1]:9092', '-h', '/etc']);
  await waitFor('a server at [::1]:9092', () =>
    podmanOutput(['exec', 'pt-sidecar', 'wget', '-q', '-O', '-', 'http://[::1]:9092/passwd']),
  );
  for (const port of [9091, 9092]) {
    const { status, stderr } = await podman(
      runArgs('pt-taken', {
        service: 'hello',
        options: [...overPasst, '--network', 'container:pt-hello', '--env', `PORT=${port}`],
      }),
    );
    t.not(status, 0);
    t.match(stderr, new RegExp(`port ${port}/tcp is taken by another process`));
    await removeContainers('pt-taken');
  }
  t.equal((await podman(['stop', 'pt-hello'])).status, 0);
  t.equal(await inspect('pt-hello', '{{.State.ExitCode}}'), '0');
});

t.test('a guest that can only ask DHCP is told the address, of one of two networks', { skip }, async (t) => {
  const networks = ['--network', network, '--network', 'podman'];
  const options = [...overPasst, ...networks, '--annotation', 'ucrun.cmdline=ip=dhcp port=8080'];
  await startGuest(t, 'pt-dhcp', { service: 'hello', options });
  const { 'ucrun.state.address': address } = await stateOf('pt-dhcp');
  const { stdout, stderr } = await podman(['logs', 'pt-dhcp']);
  t.match(stdout, new RegExp(`http://${address}:8080/$`, 'm'));
  t.match(stderr, /^ucrun: network: one card for eth\d, through which eth\d can be reached as well$/m);
  t.match(await get(`http://${address}:8080/`), /"hello"/);
  const both = await inspect('pt-dhcp', '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}');
  for (const each of both.trim().split(' '))
    t.match(await get(`http://${each}:8080/`), /"hello"/, `reached at ${each}`);
});

t.test(
  'a Linux guest reaches others by name and address, and is reached over IPv6 and UDP',
  {
    skip,
  },
  async (t) => {
    const plain = ['run', '--detach', '--name', 'pt-web', '--network', network];
    await podmanOutput([...plain, plainImage, 'httpd', '-f', '-p', '80', '-h', '/etc']);
    t.teardown(() => removeContainers('pt-web'));
    const port = outside?.port;
    const sum = (address: string) =>
      `wget -q -O - http://${address}:${port}/bytes/3000000 | sha256sum | cut -c 1-64`;
    await writeFile(
      join(folder, 'share/run'),
      [
        'wget -q -O - http://pt-web/passwd',
        sum(outsideAddress.ipv4),
        sum(`[${outsideAddress.ipv6}]`),
        `wget -q -O - http://${outsideAddress.ipv4}:${port}/address`,
        'ip link show eth0 | grep -o "mtu [0-9]*"',
        '/share/udp-echo 9090 &',
        'PORT=80 exec /srv/serve',
        '',
      ].join('\n'),
    );
    const options = [
      ...[...overPasst, '--network', network, '--volume', `${folder}/share:/share:ro`],
      ...['--env', 'PORT=80,9090/udp', '--publish', '18401:9090/udp', '--memory', '384m'],
    ];
    await startGuest(t, 'pt-linux', { service: 'linux', options, args: ['sh', '/share/run'] });
    const address = await addressIn('pt-linux', 'IPAddress');
    const lines = (await podmanOutput(['logs', 'pt-linux'])).split(/\r?\n/);
    const expected = sha256(sampleBytes(3_000_000));
    t.strictSame(lines.slice(0, 6), [
      'root:x:0:0:root:/:/bin/sh',
      'user:x:1000:1000:user:/:/bin/sh',
      expected,
      expected,
      `::ffff:${address}`,
      'mtu 1500',
    ]);
    t.match(await firstAnswer(`http://${address}/`), /"address":/, 'at a port below 1024');
    t.match(await firstAnswer(`http://[${await addressIn('pt-linux', 'GlobalIPv6Address')}]/`), /"address":/);
    t.equal(await echoOf(address, 9090, 'to the address'), 'to the address');
    t.equal(await echoOf('127.0.0.1', 18401, 'to the published port'), 'to the published port');
  },
);

t.test('whatever is killed, nothing is left', { skip }, async (t) => {
  const start = async (name: string) => {
    const traces = await startGuest(t, name, { service: 'hello', options: [...overPasst] });
    const pids = await processesOf(name);
    const passt = [...pids].find(([, program]) => program.startsWith('passt'))?.[0];
    if (passt === undefined) throw new Error(`no passt runs in ${name}`);
    return { traces, passt };
  };
  const killed = await start('pt-kill-passt');
  process.kill(killed.passt, 'SIGKILL');
  t.equal(await podmanOutput(['wait', 'pt-kill-passt']), '125');
  t.match((await podman(['logs', 'pt-kill-passt'])).stderr, /^ucrun: passt ended before the guest$/m);
  await removeContainers('pt-kill-passt');
  await nothingLeft(killed.traces);

  const bereft = await start('pt-kill-qemu');
  process.kill(await monitorOf('pt-kill-qemu'), 'SIGKILL');
  t.equal(await podmanOutput(['wait', 'pt-kill-qemu']), '137');
  await waitFor('passt to end', () => !existsSync(`/proc/${bereft.passt}`));
  await removeContainers('pt-kill-qemu');
  await nothingLeft(bereft.traces);

  const beheaded = await start('pt-kill-init');
  process.kill(Number(await inspect('pt-kill-init', '{{.State.Pid}}')), 'SIGKILL');
  t.equal(await podmanOutput(['wait', 'pt-kill-init']), '137');
  await waitFor('passt to end', () => !existsSync(`/proc/${beheaded.passt}`));
  await removeContainers('pt-kill-init');
  await nothingLeft(beheaded.traces);
});

async function refusal(t: Test, name: string, options: readonly string[]): Promise<string> {
  const { status, stderr } = await runGuest(name, { service: 'hello', options: ['--rm', ...options] });
  t.not(status, 0);
  t.equal((await run('podman', ['container', 'exists', name])).status, 1);
  return stderr;
}

t.test('where it cannot be, somebody is told', async (t) => {
  const without = await makeRuntime(
    'ucrun-without',
    'network.mode = "passt"\nvmm.passt = "/nowhere/passt"\n',
  );
  t.match(
    await refusal(t, 'pt-without', ['--runtime', without]),
    /passt is missing: the configuration says "\/nowhere\/passt"/,
  );
  if (!isThere) return;
  t.match(
    await refusal(t, 'pt-host', [...overPasst, '--network', 'host']),
    /network mode "passt" is not possible: the container shares the host's network/,
  );
  const broken = join(folder, 'bin/passt');
  await mkdir(join(folder, 'bin'));
  await writeFile(broken, '#!/bin/sh\necho there is no network like this one >&2\nexit 1\n', { mode: 0o755 });
  const failing = await makeRuntime('ucrun-failing', `network.mode = "passt"\nvmm.passt = "${broken}"\n`);
  const options = ['--runtime', failing];
  await podmanOutput(runArgs('pt-failing', { service: 'hello', options: ['--detach', ...options] }));
  removeAtEnd(t, 'pt-failing', await tracesOf('pt-failing'));
  t.equal(await podmanOutput(['wait', 'pt-failing']), '125');
  t.match(
    (await podman(['logs', 'pt-failing'])).stderr,
    /^ucrun: passt: there is no network like this one$/m,
  );
});

t.test(
  'rootless podman publishes the port of a guest, which reaches what is outside',
  {
    skip: skip === false ? noRootless : skip,
  },
  async (t) => {
    let user: Rootless | undefined;
    t.teardown(() => user?.stop());
    user = await startRootless(9);
    await user.load(trackerImage);
    const setting = `echo 'network.mode = "passt"' >>~/.config/ucrun/config.toml`;
    t.equal((await user.runAs('sh', ['-c', setting])).status, 0);
    const script = `wget -q -O - http://${outsideAddress.ipv4}:${outside?.port}/bytes/300000 | sha256sum; exec /srv/serve`;
    await startEngineGuest(t, user, 'pt-rootless', {
      service: 'linux',
      options: ['--publish', '18403:8080', '--env', 'PORT=8080'],
      args: ['sh', '-c', script],
    });
    t.match(await logOf(user, 'pt-rootless'), sha256(sampleBytes(300_000)));
    t.match(JSON.parse(await firstAnswer('http://127.0.0.1:18403/')), { address: '10.0.2.100' });
  },
);

t.test(
  "docker's profile lets passt in, and its name server answers",
  {
    skip: skip === false ? noDocker : skip,
  },
  async (t) => {
    let docker: Docker | undefined;
    t.teardown(() => docker?.stop());
    docker = await startDocker(9, runtime);
    await docker.load(trackerImage, plainImage);
    const engine = { ...docker, runtime: docker.brokenRuntime };
    await outputOf(engine, ['network', 'create', '--subnet', '172.31.109.0/24', 'pt-docker']);
    const plain = ['run', '--detach', '--name', 'pt-docker-web', '--network', 'pt-docker', plainImage];
    await outputOf(engine, [...plain, 'httpd', '-f', '-p', '80', '-h', '/etc']);
    const inNetwork = ['--network', 'pt-docker', '--publish', '18402:8080'];
    await startEngineGuest(t, engine, 'pt-docker', {
      service: 'linux',
      options: inNetwork,
      args: ['sh', '-c', 'wget -q -O - http://pt-docker-web/passwd; exec /srv/serve'],
    });
    t.match(await logOf(engine, 'pt-docker'), /^root:x:0:0:root/m, 'a container is found by its name');
    t.match(await firstAnswer(`http://${docker.address}:18402/`), /"address":/);
    const { status, stdout } = await engine.call([
      'run',
      ...guestArgs(engine, 'pt-docker-root', {
        service: 'hello',
        options: ['--user', '0', '--rm'],
        args: ['exit=3'],
      }),
    ]);
    t.equal(status, 3, stdout);
  },
);
