/** `ucrun setup`: engines are told of ucrun, run unikernels by that, and have their files back as they were. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  rm,
  rmdir,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Outcome, output, run } from './support/command.ts';
import { noDocker, startDocker } from './support/docker.ts';
import { outputOf } from './support/engine.ts';
import { scratch, ucrun } from './support/environment.ts';
import { buildTrackerImage, trackerImage } from './support/images.ts';
import { noRootless, startRootless } from './support/rootless.ts';
import { waitFor } from './support/wait.ts';

const folder = join(scratch, 'setup');
const records = '/var/lib/ucrun';
const guest = ['--env', 'SERVICE_NAME=hello', '--network', 'none', trackerImage, 'exit=7'];

t.before(async () => {
  await buildTrackerImage();
  await mkdir(folder);
  const made = await mkdir(records, { recursive: true });
  // The host's own records are no matter of ours.
  await output('mount', ['-t', 'tmpfs', 'tmpfs', records]);
  t.teardown(async () => {
    await output('umount', [records]);
    if (made !== undefined) await rmdir(records).catch(() => {});
  });
});

const setup = (...args: readonly string[]) => run(ucrun, ['setup', ...args]);

/** Call setup, which has to succeed, and again, which has nothing to do. @returns what it said */
async function setUp(
  t: Test,
  call: (...args: readonly string[]) => Promise<Outcome>,
  ...args: readonly string[]
) {
  const first = await call(...args);
  t.match(first, { status: 0, stderr: '' }, args.join(' '));
  t.match(first.stdout, /^\+.*ucrun/m, 'it shows what it changes');
  const second = await call(...args);
  t.match(second, { status: 0, stdout: /: nothing to do, \S+ has ucrun\n$/, stderr: '' });
  t.notMatch(second.stdout, /^[-+]/m);
  return first.stdout;
}

t.test('podman is set up by a file beside its own, runs a unikernel by that, and forgets it', async (t) => {
  const dropIns = '/etc/containers/containers.conf.d';
  const wasThere = existsSync(dropIns);
  // What the environment has instead of these files; the storage is the environment's own all the same.
  const env = { CONTAINERS_CONF: '' };
  const call = (...args: readonly string[]) => run(ucrun, ['setup', ...args], { env });
  t.match((await call('podman', '--dry-run')).stdout, `+ucrun = ["${ucrun}"]`);
  t.notOk(existsSync(join(dropIns, 'ucrun.conf')), 'a dry run writes nothing');
  await setUp(t, call, 'podman');
  const limits = ['nofile=1024:4096', 'nproc=4096:4096'].flatMap((limit) => ['--ulimit', limit]);
  const container = ['--cgroup-manager=cgroupfs', '--runtime=ucrun', 'run', '--rm', ...limits, ...guest];
  t.match(await run('podman', container, { env }), { status: 7, stdout: /^hello: command line: /m });
  await setUp(t, call, 'podman', '--default');
  const info = ['info', '--format', '{{.Host.OCIRuntime.Path}}'];
  t.equal((await output('podman', info, { env })).trim(), ucrun);
  t.match(await call('podman', '--remove'), { status: 0, stderr: '' });
  t.equal(existsSync(join(dropIns, 'ucrun.conf')), false);
  t.equal(existsSync(dropIns), wasThere, 'a directory that was made for it goes with it');
  t.strictSame(await readdir(records), []);
  t.match(await call('podman', '--remove'), { status: 0, stdout: /^podman: nothing to do, / });

  const theirs = '[engine]\nstop_timeout = 9 # mine\n';
  await mkdir(dropIns, { recursive: true });
  await writeFile(join(dropIns, 'ucrun.conf'), theirs);
  await setUp(t, call, 'podman');
  t.match(await readFile(join(dropIns, 'ucrun.conf'), 'utf8'), /stop_timeout = 9 # mine/, 'it is added to');
  t.match(await call('podman', '--remove'), { status: 0, stderr: '' });
  t.equal(await readFile(join(dropIns, 'ucrun.conf'), 'utf8'), theirs);
  await rm(wasThere ? join(dropIns, 'ucrun.conf') : dropIns, { recursive: true });
});

t.test('a containers.conf that podman reads alone is changed and restored byte for byte', async (t) => {
  const target = join(folder, 'target.conf');
  const file = join(folder, 'containers.conf');
  const settings = await readFile(process.env.CONTAINERS_CONF ?? '', 'utf8');
  const original = settings
    .replaceAll(/^(?:ucrun = |\[engine\.runtimes\]|runtime_supports).*\n/gm, '')
    .trimEnd();
  await writeFile(target, original);
  await chmod(target, 0o640);
  await symlink(target, file);
  const env = { CONTAINERS_CONF: file };
  const call = (...args: readonly string[]) => run(ucrun, ['setup', 'podman', ...args], { env });
  await setUp(t, call, '--default');
  t.ok((await lstat(file)).isSymbolicLink(), 'the link is kept');
  t.equal((await stat(target)).mode & 0o777, 0o640);
  t.match(await run('podman', ['run', '--rm', ...guest], { env }), { status: 7 });

  const written = await readFile(file, 'utf8');
  await writeFile(file, written.replace(`["${ucrun}"]`, '["/opt/ucrun"]'));
  t.match(await call('--remove'), {
    status: 1,
    stderr: /^ucrun: somebody has changed what setup wrote into /,
  });
  t.match(await call(), { status: 1, stderr: /^ucrun: somebody has changed / });
  t.match(await readFile(file, 'utf8'), '/opt/ucrun', 'nothing is lost');
  await writeFile(file, `# mine\n${written}`);
  t.match(await call('--remove'), { status: 0 });
  t.equal(await readFile(file, 'utf8'), `# mine\n${original}`);

  await writeFile(file, original);
  await setUp(t, call);
  t.match(await call('--remove'), { status: 0 });
  t.equal(await readFile(file, 'utf8'), original);
  t.equal((await stat(target)).mode & 0o777, 0o640);

  await writeFile(file, `${original}\n[engine\n`);
  t.match(await call(), { status: 1, stderr: /^ucrun: \S+ is not TOML: line \d+, column \d+\nhint: / });
});

t.test('a setting that podman does not take is taken back', async (t) => {
  const file = join(folder, 'bad.conf');
  const original = '[engine]\nnum_locks = "many"\n';
  await writeFile(file, original);
  const outcome = await run(ucrun, ['setup', 'podman'], { env: { CONTAINERS_CONF: file } });
  t.match(outcome, {
    status: 1,
    stdout: '',
    stderr: /^ucrun: podman does not take the runtime that was added\nhint: podman says: /,
  });
  t.equal(await readFile(file, 'utf8'), original);
  t.strictSame(await readdir(records), []);
});

t.test('a file that even root cannot write stays as it is, and the message says why', async (t) => {
  const place = join(folder, 'closed');
  const file = join(place, 'containers.conf');
  const original = '[engine]\nnum_locks = 2048\n';
  await mkdir(place);
  await output('mount', ['-t', 'tmpfs', 'tmpfs', place]);
  t.teardown(() => output('umount', [place]));
  await writeFile(file, original);
  const call = () => run(ucrun, ['setup', 'podman'], { env: { CONTAINERS_CONF: file } });
  await output('mount', ['--bind', file, file]);
  t.match(await call(), {
    status: 1,
    stdout: '',
    stderr: `ucrun: cannot write ${file}: something is mounted there\nhint: `,
  });
  await output('umount', [file]);
  await output('mount', ['-o', 'remount,ro', place]);
  t.match(await call(), {
    status: 1,
    stdout: '',
    stderr: `ucrun: cannot write ${file}: the file system is read-only\nhint: `,
  });
  t.equal(await readFile(file, 'utf8'), original);
  t.strictSame(await readdir(place), ['containers.conf']);
  t.strictSame(await readdir(records), []);
});

t.test('a user has podman set up for himself alone', { skip: noRootless }, async (t) => {
  const user = await startRootless(7);
  t.teardown(() => user.stop());
  const home = user.env.HOME ?? '';
  const own = join(home, '.config/containers/containers.conf');
  const text = await readFile(own, 'utf8');
  const runtime = /^ucrun = \["(.*)"\]$/m.exec(text)?.[1] ?? '';
  await writeFile(own, text.replace(/^\[engine\.runtimes\][\s\S]*/m, ''));
  await user.load(trackerImage);
  const call = (...args: readonly string[]) => user.runAs(runtime, ['setup', ...args]);
  await setUp(t, call, 'podman');
  t.ok(existsSync(join(home, '.config/containers/containers.conf.d/ucrun.conf')));
  t.match(await user.call(['--runtime=ucrun', 'run', '--rm', ...guest]), { status: 7 });
  t.match(await call('docker'), {
    status: 1,
    stderr:
      'ucrun: only root can change the configuration of docker\nhint: sudo ucrun setup docker; with --dry-run everybody sees what it would do\n',
  });
  t.match(await call('--remove'), { status: 0 });
  t.notOk(existsSync(join(home, '.config/containers/containers.conf.d')));
});

t.test('docker is set up without a restart, and forgets it', { skip: noDocker }, async (t) => {
  const file = '/etc/docker/daemon.json';
  const original = '{\n    "debug": true\n}\n';
  await mkdir('/etc/docker', { recursive: true });
  await writeFile(file, original);
  const docker = await startDocker(7, undefined);
  t.teardown(() => docker.stop());
  await docker.load(trackerImage);
  const command = ['run', '--rm', '--runtime=ucrun', ...guest];
  t.not((await docker.call(command)).status, 7);
  t.match(await setUp(t, setup, 'docker'), 'systemctl reload docker');
  docker.reload();
  await waitFor('docker to know ucrun', async () => {
    return /ucrun/.test(await outputOf(docker, ['info', '--format', '{{json .Runtimes}}']));
  });
  t.match(await docker.call(command), { status: 7 });
  await setUp(t, setup, 'docker', '--default');
  docker.reload();
  await waitFor('docker to use ucrun', async () => {
    return (await outputOf(docker, ['info', '--format', '{{.DefaultRuntime}}'])) === 'ucrun';
  });
  t.match(await docker.call(['run', '--rm', ...guest]), { status: 7 });
  t.match(await setup('docker', '--remove'), { status: 0 });
  t.equal(await readFile(file, 'utf8'), original);
  await rm(file);
});

const noContainerd = existsSync('/usr/bin/containerd') ? false : 'containerd is not installed';

t.test("containerd's CRI plugin knows ucrun, and forgets it", { skip: noContainerd }, async (t) => {
  const file = '/etc/containerd/config.toml';
  const before = await readFile(file, 'utf8').catch(() => undefined);
  const home = join(folder, 'containerd');
  const original = [
    'version = 2',
    `root = "${home}/root"`,
    `state = "${home}/state"`,
    '[grpc]',
    `  address = "${home}/socket"`,
    '[plugins."io.containerd.grpc.v1.cri"]',
    '  stream_server_port = "0" # any',
    '[plugins."io.containerd.internal.v1.opt"]',
    `  path = "${home}/opt"`,
  ].join('\n');
  await mkdir('/etc/containerd', { recursive: true });
  t.teardown(() => (before === undefined ? rm(file, { force: true }) : writeFile(file, before)));
  await rm(file, { force: true });
  await setUp(t, setup, 'containerd');
  t.match(await setup('containerd', '--remove'), { status: 0, stderr: '' });
  t.notOk(existsSync(file), 'a file that was not there is not there again');

  await setUp(t, setup, 'containerd');
  await writeFile(file, original);
  t.match(await setUp(t, setup, 'containerd'), 'ucrun', 'one that was written anew is told again');
  t.match(await setUp(t, setup, 'containerd', '--default'), 'systemctl restart containerd');
  const daemon = spawn('containerd', { stdio: 'ignore' });
  const ended = once(daemon, 'exit');
  t.teardown(async () => {
    daemon.kill('SIGTERM');
    await ended;
  });
  const plugins = await waitFor('containerd', async () => {
    const { status, stdout } = await run('ctr', ['--address', `${home}/socket`, 'plugins', 'ls']);
    return status === 0 && stdout;
  });
  t.match(plugins, /\bcri +linux\/\S+ +ok *$/m, 'the CRI plugin is content with its configuration');
  t.match(await setup('--remove'), { status: 0, stderr: '' });
  t.equal(await readFile(file, 'utf8'), original);
});

t.test('CRI-O has a file of its own, which is taken back if it does not hold', async (t) => {
  const file = '/etc/crio/crio.conf.d/ucrun.conf';
  const programs = join(folder, 'programs');
  await mkdir(programs);
  // Debian has no CRI-O. This stands for its program, of which setup asks these two things: all files in their order, as CRI-O reads them.
  const program = (after: string) =>
    writeFile(
      join(programs, 'crio'),
      `#!/bin/sh\n[ "$1" = --version ] && echo crio version 1.30.1 && exit\nsed 's/^default_runtime.*/${after}/' ${file}\n`,
      { mode: 0o755 },
    );
  await program('&');
  const env = { PATH: `${programs}:${process.env.PATH}` };
  const call = (...args: readonly string[]) => run(ucrun, ['setup', 'crio', ...args], { env });
  t.match(await setUp(t, call), 'systemctl restart crio');
  await setUp(t, call, '--default');
  t.match((await run(ucrun, ['doctor'], { env })).stdout, /^ok +crio +1\.30\.1, has ucrun at /m);
  t.match(await call('--remove'), { status: 0, stderr: '' });
  t.notOk(existsSync('/etc/crio'), 'nothing of it is left');

  await program('default_runtime = "crun"');
  t.match(await call('--default'), {
    status: 1,
    stdout: '',
    stderr: /^ucrun: crio does not make of \S+ what it should\nhint: .* another default runtime/,
  });
  t.notOk(existsSync('/etc/crio'));
  t.strictSame(await readdir(records), []);
});
