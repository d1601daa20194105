/** Should a guest break out into QEMU, it finds itself with nothing. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeBundle } from './support/bundle.ts';
import { run } from './support/command.ts';
import { scratch, ucrun } from './support/environment.ts';
import { monitorOf, processesOf, startGuest } from './support/guests.ts';
import { buildTrackerImage } from './support/images.ts';

t.before(buildTrackerImage);

const networks = [
  { network: 'bridge', name: 'sandbox-tap' },
  { network: 'host', name: 'sandbox-user' },
] as const;

for (const { network, name } of networks) {
  t.test(`--network ${network}`, async (t) => {
    await startGuest(t, name, { service: 'hello', options: ['--network', network, '--env', 'PORT=18100'] });
    const monitor = await monitorOf(name);

    t.test('every process is a user of its own without any right', async (t) => {
      for (const [pid, program] of await processesOf(name)) {
        const status = statusOf(pid);
        t.notMatch(status.Uid, /\b0\b/, `${program} is not root`);
        t.notMatch(status.Gid, /\b0\b/, `${program} is not in root's group`);
        t.match(status.Groups, /^\d* ?$/, `${program} has no groups beside its own`);
        for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
          t.equal(status[set], '0000000000000000', `${program} has ${set} empty`);
        }
        t.equal(status.NoNewPrivs, '1', `${program} cannot get new privileges`);
        t.equal(status.Seccomp, '2', `${program} runs under a filter`);
      }
    });

    t.test('of the host it sees the programs alone', async (t) => {
      const root = `/proc/${monitor}/root`;
      const merged = ['bin', 'lib', 'lib32', 'lib64', 'libx32', 'sbin'];
      const expected = ['dev', 'etc', 'proc', 'sys', 'ucrun', 'unikernel', 'usr', ...merged];
      t.strictSame(
        readdirSync(root).filter((entry) => !expected.includes(entry)),
        [],
      );
      t.strictSame(readdirSync(`${root}/etc`), ['resolv.conf']);
      t.strictSame(readdirSync(`${root}/unikernel`), ['kernel']);
      const links = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isSymbolicLink());
      for (const { name } of links) t.equal(readlinkSync(`${root}/${name}`), `usr/${name}`);
    });

    t.test('nothing of the host can be written', async (t) => {
      const mounts = mountsOf(monitor);
      t.match(mounts.get('/'), { options: /^ro,/ });
      for (const [target, { type, options }] of mounts) {
        if (['proc', 'tmpfs', 'devpts', 'mqueue'].includes(type)) continue;
        t.match(options, /^ro,/, `${target} is read-only`);
        if (!/^\/($|dev|proc)/.test(target)) t.match(options, /nosuid/, `${target} is nosuid`);
      }
      // As the sandbox's user, in the sandbox.
      const { Uid, Gid } = statusOf(monitor);
      const [uid, gid] = [Uid, Gid].map((ids = '') => ids.split('\t')[0] ?? '');
      const enter = [
        '--target',
        String(monitor),
        '--mount',
        '--root',
        '--setuid',
        uid ?? '',
        '--setgid',
        gid ?? '',
      ];
      for (const directory of [
        '/',
        '/usr',
        '/usr/bin',
        '/etc',
        '/tmp',
        '/ucrun',
        '/unikernel',
        '/dev',
        '/proc',
      ]) {
        const { status, stderr } = await run('nsenter', [...enter, 'touch', `${directory}/written`]);
        t.not(status, 0, `${directory} cannot be written`);
        t.match(stderr, /touch: .*(Read-only|denied|No such file)/);
      }
    });

    t.test('its namespaces are its own', async (t) => {
      const shared = ['cgroup', 'time', 'user', ...(network === 'host' ? ['net'] : [])];
      for (const kind of ['ipc', 'mnt', 'net', 'pid', 'uts']) {
        const isShared =
          readlinkSync(`/proc/${monitor}/ns/${kind}`) === readlinkSync(`/proc/self/ns/${kind}`);
        t.equal(isShared, shared.includes(kind), kind);
      }
    });

    t.test('it has open what it needs', async (t) => {
      const folder = `/proc/${monitor}/fd`;
      const open = readdirSync(folder).map((fd) => readlinkSync(`${folder}/${fd}`));
      const allowed =
        /^(pipe:|socket:|anon_inode:|\/dev\/(null|net\/tun|kvm|vhost-net|pts\/\d+|ptmx)|\/ucrun\/run\/|\/memfd:|\/unikernel\/)/;
      t.strictSame(
        open.filter((target) => !allowed.test(target)),
        [],
      );
    });

    t.test('it has the devices that it needs', async (t) => {
      const ordinary = [
        'console',
        'fd',
        'full',
        'kvm',
        'mqueue',
        'net',
        'null',
        'ptmx',
        'pts',
        'random',
        'shm',
        'core',
      ];
      const expected = [...ordinary, 'stderr', 'stdin', 'stdout', 'tty', 'urandom', 'zero'];
      t.strictSame(
        readdirSync(`/proc/${monitor}/root/dev`).filter((entry) => !expected.includes(entry)),
        [],
      );
    });
  });
}

/** The fields of a process's status; several values are separated by tabs. */
function statusOf(pid: number): Record<string, string | undefined> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').trimEnd().split('\n');
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
}

interface MountEntry {
  readonly type: string;
  readonly options: string;
}

/** What a process sees mounted: target → type and options of the mount. */
function mountsOf(pid: number): ReadonlyMap<string, MountEntry> {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').trimEnd().split('\n');
  return new Map(
    lines.map((line) => {
      const [mount = '', fileSystem = ''] = line.split(' - ');
      const [, , , , target = '', options = ''] = mount.split(' ');
      return [target, { type: fileSystem.split(' ')[0] ?? '', options }];
    }),
  );
}

t.test("with a volume, --privileged: the container's user without any right", async (t) => {
  const name = 'sandbox-privileged';
  const data = t.testdir({ 'disk.img': Buffer.alloc(1024 * 1024) });
  const options = ['--privileged', '--volume', `${data}/disk.img:/data`];
  await startGuest(t, name, { service: 'hello', options });
  const monitor = await monitorOf(name);
  for (const [pid, program] of await processesOf(name)) {
    const status = statusOf(pid);
    t.match(status.Uid, /^0\t0\t0\t0$/, `${program} is the container's root`);
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      t.equal(status[set], '0000000000000000', `${program} has ${set} empty`);
    t.equal(status.NoNewPrivs, '1', `${program} cannot get new privileges`);
  }
  t.match(mountsOf(monitor).get('/unikernel/disk0'), { options: /^rw,nosuid,nodev,noexec/ });

  // Opened for writing only: should it succeed, nothing has changed.
  const paths = ['/proc/sys/kernel/core_pattern', '/proc/sys/vm/overcommit_memory', '/proc/sysrq-trigger'];
  const powerless = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'];
  const enter = ['--target', String(monitor), '--mount', '--root'];
  for (const path of paths.filter((path) => existsSync(path))) {
    const { status, stderr } = await run('nsenter', [...enter, ...powerless, 'sh', '-c', `: >>${path}`]);
    t.not(status, 0, `${path} cannot be written`);
    t.match(stderr, /Read-only|denied/, path);
  }
  for (const path of ['/proc/kcore', '/proc/keys', '/proc/timer_list'].filter((path) => existsSync(path))) {
    const { status, stdout } = await run('nsenter', [...enter, ...powerless, 'head', '-c', '1', path]);
    t.strictSame([status, stdout], [0, ''], `${path} has nothing`);
  }
});

t.test('a caller whose umask leaves others nothing has a machine all the same', async (t) => {
  const bundle = join(scratch, 'sandbox-umask');
  await makeBundle(bundle, ({ process }) => {
    process.env.push('SERVICE_NAME=hello');
    process.args = ['hello', 'exit=4'];
  });
  const { status, stdout, stderr } = await run(
    'sh',
    ['-c', 'umask 077; exec "$@"', 'sh', ucrun, 'run', 'sandbox-umask'],
    { cwd: bundle },
  );
  t.match(stdout, /^hello: ready after /m);
  t.strictSame({ status, stderr }, { status: 4, stderr: '' });
});
