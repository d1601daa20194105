/**
 * A unikernel is a container: what podman's users do with containers, done with virtual machines. What docker's users do as well is in
 * support/behaviour.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { quote, run } from './support/command.ts';
import { registry, scratch, ucrun } from './support/environment.ts';
import {
  addressOf,
  monitorOf,
  processesOf,
  removeAtEnd,
  runArgs,
  runGuest,
  startGuest,
  waitForReady,
} from './support/guests.ts';
import { firstAnswer, get } from './support/http.ts';
import { buildPlainImage, buildTrackerImage, plainImage } from './support/images.ts';
import { nothingLeft, tracesOf } from './support/leftovers.ts';
import { inspect, podman, podmanOutput } from './support/podman.ts';
import { waitFor } from './support/wait.ts';

t.before(async () => {
  await buildPlainImage();
  await buildTrackerImage();
});

const status = (name: string) => inspect(name, '{{.State.Status}} {{.State.ExitCode}}');

t.test('a unikernel answers on its published port and its own address, and stops in time', async (t) => {
  const name = 'uk-hello';
  const traces = await startGuest(t, name, {
    service: 'hello',
    options: ['--publish', '8080:8080', '--env', 'PORT=8080'],
  });
  const published = JSON.parse(await firstAnswer('http://127.0.0.1:8080/'));
  t.match(published, { name: 'hello', uptime: Number, requests: Number, cmdline: /\bport=8080\b/ });
  const address = await addressOf(name);
  t.match(JSON.parse(await get(`http://${address}:8080/`)), { cmdline: new RegExp(`\\bip=${address}/`) });
  t.equal(await status(name), 'running 0');

  const { stdout, stderr } = await podman(['logs', name]);
  t.match(stdout, /^hello: ready after \d+ ms/m, 'the console is the log');
  t.strictSame(
    stdout.split('\n').filter((line) => !/^(hello: .*)?\r?$/.test(line)),
    [],
    'with nothing else in it',
  );
  t.equal(stderr, '');
  t.match(await podmanOutput(['stats', '--no-stream', '--format', '{{.MemUsage}}', name]), /^[1-9]/);

  const started = performance.now();
  t.strictSame(await podman(['stop', name]), { status: 0, stdout: `${name}\n`, stderr: '' });
  t.ok(performance.now() - started < 10_000, 'before podman loses its patience');
  t.equal(await status(name), 'exited 0');
  t.match((await podman(['logs', name])).stdout, /power button/, 'the guest was asked');
  t.equal((await podman(['rm', name])).status, 0);
  await nothingLeft(traces);
});

t.test('in the foreground podman ends with the status of the guest, and --rm leaves nothing', async (t) => {
  for (const code of [0, 3, 255]) {
    const cmdline = `name=hello exit=${code}`;
    const options = ['--rm', '--network', 'none', '--annotation', `ucrun.cmdline=${cmdline}`];
    const { status, stdout, stderr } = await runGuest('uk-foreground', { service: 'hello', options });
    t.equal(status, code);
    t.match(stdout, /^hello: ready/m);
    t.equal(stderr, '');
    t.not((await podman(['container', 'exists', 'uk-foreground'])).status, 0);
  }
});

t.test('an annotation that the guest cannot understand is shown by the guest', async (t) => {
  const options = ['--rm', '--network', 'none', '--annotation', 'ucrun.cmdline=exit=never'];
  const { status, stdout } = await runGuest('uk-malformed', { service: 'hello', options });
  t.equal(status, 2);
  t.match(stdout, /exit=never/);
});

t.test('a Linux guest serves, and ends at the press of its power button', async (t) => {
  const name = 'uk-linux';
  await startGuest(t, name, {
    service: 'linux',
    options: ['--publish', '8081:8080', '--env', 'PORT=8080', '--hostname', 'some-linux'],
  });
  t.match(await firstAnswer('http://127.0.0.1:8081/'), /some-linux/);
  t.match(await get(`http://${await addressOf(name)}:8080/`), /some-linux/);
  t.match(
    (await podman(['logs', name])).stdout,
    /^linux: ready[^\n]*\r?\n$/,
    'only its own line is in the log',
  );
  t.equal((await podman(['stop', name])).status, 0);
  t.equal(await status(name), 'exited 0');
});

t.test('a Linux guest reaches a container, and is reached by it', async (t) => {
  const server = 'uk-neighbour';
  await podmanOutput([
    'run',
    '--detach',
    '--name',
    server,
    plainImage,
    'httpd',
    '-f',
    '-p',
    '80',
    '-h',
    '/etc',
  ]);
  removeAtEnd(t, server, await tracesOf(server));
  const { stdout } = await runGuest('uk-client', {
    service: 'linux',
    options: ['--rm'],
    args: ['wget', '-q', '-O', '-', `http://${await addressOf(server)}/passwd`],
  });
  t.match(stdout, /^root:x:0:0:/m);

  await startGuest(t, 'uk-served', { service: 'hello' });
  const url = `http://${await addressOf('uk-served')}:8080/`;
  t.match(await podmanOutput(['exec', server, 'wget', '-q', '-O', '-', url]), /"hello"/);
});

t.test('a container that was created in two steps is started', async (t) => {
  const name = 'uk-created';
  const [runtime = '', , ...rest] = runArgs(name, { service: 'hello', options: [] });
  await podmanOutput([runtime, 'create', ...rest]);
  removeAtEnd(t, name, await tracesOf(name));
  await podmanOutput(['init', name]);
  t.equal(await status(name), 'initialized 0');
  t.notOk(
    [...(await processesOf(name).catch(() => new Map())).values()].includes('qemu-system-x86'),
    'no guest runs yet',
  );
  await podmanOutput(['start', name]);
  await waitForReady(name);
  t.match(await firstAnswer(`http://${await addressOf(name)}:8080/`), /"hello"/);
});

t.test('a container that was never started is removed', async (t) => {
  const name = 'uk-unstarted';
  const [runtime = '', , ...rest] = runArgs(name, { service: 'hello', options: [] });
  await podmanOutput([runtime, 'create', ...rest]);
  await podmanOutput(['init', name]);
  const traces = await tracesOf(name);
  t.equal((await podman(['rm', name])).status, 0);
  await nothingLeft(traces);
});

t.test('--network none: a guest without a card', async (t) => {
  await startGuest(t, 'uk-none', { service: 'hello', options: ['--network', 'none'] });
  const { stdout } = await podman(['logs', 'uk-none']);
  t.notMatch(stdout, /\bip=/, 'it is not told of an address');
  t.equal((await podman(['stop', 'uk-none'])).status, 0);
  t.equal(await status('uk-none'), 'exited 0');
});

t.test("--network host: the guest's ports are the host's", async (t) => {
  await startGuest(t, 'uk-host', { service: 'hello', options: ['--network', 'host', '--env', 'PORT=18090'] });
  t.match(JSON.parse(await firstAnswer('http://127.0.0.1:18090/')), {
    cmdline: /\bip=10\.0\.2\.15\/24\b.*\bport=18090\b/,
  });

  const { status: code, stderr } = await runGuest('uk-host-again', {
    service: 'hello',
    options: ['--rm', '--network', 'host', '--env', 'PORT=18090'],
  });
  t.not(code, 0, 'a port that is taken is an error');
  t.match(stderr, /18090/, 'which names the port');
});

t.test("--network host: a port that is not everyone's is refused before anything runs", async (t) => {
  const start = (await readFile('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8')).trim();
  const { status, stdout, stderr } = await runGuest('uk-host-low', {
    service: 'hello',
    options: ['--rm', '--network', 'host', '--env', 'PORT=80'],
  });
  t.not(status, 0);
  t.equal(stdout, '');
  t.match(
    stderr,
    `port 80/tcp is too low: QEMU, as an ordinary user, may listen from port ${start} on`,
    'which names the port',
  );
  t.match(stderr, 'PORT=8080:80', 'and the remedy');
  await startGuest(t, 'uk-host-remedy', {
    service: 'hello',
    options: ['--network', 'host', '--env', 'PORT=18098:80'],
  });
  t.match(JSON.parse(await firstAnswer('http://127.0.0.1:18098/')), { cmdline: /\bport=80\b/ });
});

/** A runtime for podman whose network mode is "user": what is set for all containers is other tests', too. */
async function makeUserNetworkRuntime(): Promise<string> {
  const config = join(scratch, 'user-network.toml');
  await writeFile(config, `registries = [${JSON.stringify(registry)}]\nnetwork.mode = "user"\n`);
  const runtime = join(scratch, 'ucrun-user-network');
  const script = ['#!/bin/sh', `export UCRUN_CONFIG=${quote(config)}`, `exec ${quote(ucrun)} "$@"`, ''];
  await writeFile(runtime, script.join('\n'), { mode: 0o755 });
  return runtime;
}

t.test('the user network stack offers low ports in a namespace that it may change', async (t) => {
  const runtime = await makeUserNetworkRuntime();
  await startGuest(t, 'uk-low', {
    service: 'hello',
    options: ['--runtime', runtime, '--publish', '18099:80', '--env', 'PORT=80'],
  });
  t.match(JSON.parse(await firstAnswer('http://127.0.0.1:18099/')), {
    cmdline: /\bip=10\.0\.\d\.15\/24\b.*\bport=80\b/,
  });
  t.match(await get(`http://${await addressOf('uk-low')}:80/`), /"hello"/);

  const name = 'net.ipv4.ip_unprivileged_port_start';
  const refused = await runGuest('uk-low-refused', {
    service: 'hello',
    options: ['--rm', '--runtime', runtime, '--sysctl', `${name}=443`, '--env', 'PORT=80'],
  });
  t.not(refused.status, 0, "the engine's own sysctl stays");
  t.match(refused.stderr, /from port 443 on/);

  for (const [pod, sysctl] of [
    ['uk-pod-strict', []],
    ['uk-pod-open', ['--sysctl', `${name}=80`]],
  ] as const) {
    await podmanOutput(['pod', 'create', '--name', pod, ...sysctl]);
    t.teardown(() => podman(['pod', 'rm', '--force', '--time', '0', pod]));
  }
  const options = ['--runtime', runtime, '--env', 'PORT=80', '--pod'];
  const inStrict = await runGuest('uk-low-pod', { service: 'hello', options: [...options, 'uk-pod-strict'] });
  t.not(inStrict.status, 0);
  t.match(inStrict.stderr, /from port 1024 on\b.*for the pod/s);
  await startGuest(t, 'uk-low-in-pod', { service: 'hello', options: [...options, 'uk-pod-open'] });
  const inside = [
    'run',
    '--rm',
    '--pod',
    'uk-pod-open',
    plainImage,
    'wget',
    '-q',
    '-O',
    '-',
    'http://127.0.0.1/',
  ];
  t.match(await podmanOutput(inside), /"hello"/);
});

t.test('two guests at once are two machines', async (t) => {
  const names = ['uk-first', 'uk-second'] as const;
  await Promise.all(
    names.map((name, index) =>
      startGuest(t, name, { service: 'hello', options: ['--publish', `${18091 + index}:8080`] }),
    ),
  );
  for (const [index, name] of names.entries()) {
    const { cmdline } = JSON.parse(await firstAnswer(`http://127.0.0.1:${18091 + index}/`));
    t.match(cmdline, `ip=${await addressOf(name)}/`);
  }
  const uids = await Promise.all(
    names.map(
      async (name) => (await run('stat', ['--format', '%u', `/proc/${await monitorOf(name)}`])).stdout,
    ),
  );
  t.not(uids[0], uids[1], 'with users of their own');
});

t.test('a pod holds a unikernel and a plain container', async (t) => {
  const pod = 'uk-pod';
  await podmanOutput(['pod', 'create', '--name', pod, '--publish', '18095:8080']);
  t.teardown(() => podman(['pod', 'rm', '--force', '--time', '0', pod]));
  await startGuest(t, 'uk-in-pod', { service: 'hello', options: ['--pod', pod] });
  t.match(await firstAnswer('http://127.0.0.1:18095/'), /"hello"/);
  const plain = await podman(['run', '--rm', '--pod', pod, plainImage, 'echo', 'beside it']);
  t.strictSame(plain, { status: 0, stdout: 'beside it\n', stderr: '' });
  // The tap is in the pod's namespace, which stays when the container goes.
  t.equal((await podman(['rm', '--force', '--time', '0', 'uk-in-pod'])).status, 0);
  const links = await podmanOutput(['run', '--rm', '--pod', pod, plainImage, 'ls', '/sys/class/net']);
  t.notMatch(links, /tap/, 'no tap is left in it');
});

t.test('update moves the limits, however they are written', async (t) => {
  const name = 'uk-update';
  const MiB = 1024 * 1024;
  const { id } = await startGuest(t, name, {
    service: 'hello',
    options: ['--memory', '128m', '--memory-swap', '128m'],
  });
  const limits = await memoryLimitsOf(await monitorOf(name));
  t.strictSame(await limits(), [128 * MiB, 0]);

  const update = async (args: readonly string[], input = '') =>
    t.strictSame(await run(ucrun, ['update', ...args, id], { input }), { status: 0, stdout: '', stderr: '' });
  await update(['--memory', `${200 * MiB}`, `--memory-swap=${300 * MiB}`]);
  t.strictSame(await limits(), [200 * MiB, 100 * MiB], 'by flags');

  const resources = { memory: { limit: 96 * MiB, swap: 100 * MiB }, pids: { limit: 99 } };
  await update(['--resources=-'], JSON.stringify(resources));
  t.strictSame(await limits(), [96 * MiB, 4 * MiB], 'by standard input');

  const file = join(scratch, 'resources.json');
  await writeFile(file, JSON.stringify({ memory: { limit: 160 * MiB, swap: 160 * MiB } }));
  await update(['-r', file]);
  t.strictSame(await limits(), [160 * MiB, 0], 'by a file');

  await update(['--resources=-'], JSON.stringify({ pids: { limit: 98 } }));
  await writeFile(file, JSON.stringify({ pids: { limit: 97 } }));
  await update(['--resources', file]);
  await update(['--pids-limit', '96']);
  t.strictSame(await limits(), [160 * MiB, 0], 'untouched by updates of something else');

  const broken = await run(ucrun, ['update', '--resources=-', id], { input: '{' });
  t.equal(broken.status, 1);
  t.match(broken.stderr, /^ucrun: the resources on standard input are not JSON\n/);
  const missing = await run(ucrun, ['update', '--resources', join(scratch, 'no-such-file'), id]);
  t.not(missing.status, 0);
  t.match(missing.stderr, /no-such-file/);
  const kept = await readdir('/run/ucrun', { recursive: true });
  t.strictSame(
    kept.filter((path) => path.includes('resources')),
    [],
    'nothing is left of them',
  );
  t.match(await get(`http://${await addressOf(name)}:8080/`), /"hello"/, 'the guest lives on');
});

/** How to read a process's limits of memory and of swap on top of it, in bytes, under either version of cgroups. */
async function memoryLimitsOf(pid: number): Promise<() => Promise<readonly [memory: number, swap: number]>> {
  const lines = (await readFile(`/proc/${pid}/cgroup`, 'utf8')).split('\n').map((line) => line.split(':'));
  const [, , v1] = lines.find(([, controllers]) => controllers?.split(',').includes('memory')) ?? [];
  const [, , v2] = lines.find(([hierarchy]) => hierarchy === '0') ?? [];
  const value = async (path: string) => Number((await readFile(`/sys/fs/cgroup/${path}`, 'utf8')).trim());
  if (v1 === undefined)
    return async () => [await value(`${v2}/memory.max`), await value(`${v2}/memory.swap.max`)];
  return async () => {
    const memory = await value(`memory${v1}/memory.limit_in_bytes`);
    return [memory, (await value(`memory${v1}/memory.memsw.limit_in_bytes`)) - memory];
  };
}

t.test('a restart policy starts a guest that failed again', async (t) => {
  const options = [
    '--network',
    'none',
    '--restart',
    'on-failure:2',
    '--annotation',
    'ucrun.cmdline=name=hello exit=5',
  ];
  await podmanOutput(runArgs('uk-policy', { service: 'hello', options: ['--detach', ...options] }));
  removeAtEnd(t, 'uk-policy', await tracesOf('uk-policy'));
  await waitForReady('uk-policy', 3);
  t.equal(await podmanOutput(['wait', 'uk-policy']), '5');
});

t.test('rm --force of a running guest leaves nothing', async (t) => {
  const traces = await startGuest(t, 'uk-removed', {
    service: 'hello',
    options: ['--publish', '18097:8080'],
  });
  t.equal((await podman(['rm', '--force', '--time', '0', 'uk-removed'])).status, 0);
  await nothingLeft(traces);
});

for (const [signal, code] of [
  ['SIGKILL', 137],
  ['SIGTERM', 143],
] as const) {
  t.test(`a QEMU that gets ${signal} from another ends its container`, async (t) => {
    const name = `uk-${signal.toLowerCase()}`;
    await startGuest(t, name, { service: 'hello' });
    process.kill(await monitorOf(name), signal);
    t.equal(await podmanOutput(['wait', name]), String(code));
  });
}

for (const [end, code, message] of [
  ['echo c >/proc/sysrq-trigger', 134, 'ucrun: the guest panicked\n'],
  ['reboot -f', 134, 'ucrun: the guest reset itself\n'],
  ['poweroff -f', 0, ''],
] as const) {
  t.test(`a guest that ends by ${end} has the status ${code}`, async (t) => {
    const guest = {
      service: 'linux',
      options: ['--rm', '--network', 'none'],
      args: ['sh', '-c', end],
    } as const;
    const { status, stderr } = await runGuest('uk-ends', guest);
    t.equal(status, code);
    t.equal(stderr, message);
  });
}

t.test('a restart policy starts a guest that reset itself again', async (t) => {
  const name = 'uk-reboot';
  const options = ['--detach', '--network', 'none', '--restart', 'on-failure:1'];
  await podmanOutput(runArgs(name, { service: 'linux', options, args: ['reboot', '-f'] }));
  removeAtEnd(t, name, await tracesOf(name));
  await waitFor(
    'the second end',
    async () => (await inspect(name, '{{.RestartCount}} {{.State.Status}}')) === '1 exited',
    60,
  );
  t.match((await podman(['logs', name])).stderr, /^(ucrun: the guest reset itself\n){2}$/);
});
