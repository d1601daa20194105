/** Packages: built twice to one checksum, and installed, used by the README's own lines and removed on a system that knows no ucrun. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import t from 'tap';
import { output, run } from './support/command.ts';
import { repository, scratch, ucrun } from './support/environment.ts';
import { BootedSystem, systemdIsMissing } from './support/systemd-tree.ts';
import { waitFor } from './support/wait.ts';

const missing = async (program: string) =>
  (await run('sh', ['-c', `command -v ${program}`])).status === 0 ? false : `${program} is not installed`;
const noDeb = await missing('dpkg-shlibdeps');
const noRpm = await missing('rpmbuild');

async function build(format: 'deb' | 'rpm', name: string): Promise<string> {
  const folder = join(scratch, name);
  await mkdir(folder);
  const script = join(repository, 'hack/package.sh');
  return (await output(script, [format, folder], { cwd: repository, timeoutSeconds: 300 })).trim();
}

const checksum = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

t.test('the executable is the same, built again', { timeout: 300_000 }, async (t) => {
  const again = join(scratch, 'built-again');
  const commit = readFileSync(join(repository, 'build/commit'), 'utf8').trim();
  const node = process.execPath;
  await output(node, ['scripts/build.ts', '--commit', commit, '--output', again], {
    cwd: repository,
    timeoutSeconds: 300,
  });
  t.equal(await checksum(again), await checksum(ucrun));
});

/** What an installation may change and a removal has to put back; dpkg's own records and logs are not counted. */
const inventory = [
  'find',
  '/etc',
  '/usr',
  '/var',
  '-xdev',
  '(',
  '-path',
  '/var/lib/dpkg',
  '-o',
  '-path',
  '/var/log',
];
const kept = [
  '-o',
  '-path',
  '/var/cache',
  '-o',
  '-path',
  '/var/lib/apt',
  '-o',
  '-path',
  '/var/lib/containers',
];
const listing = [...inventory, ...kept, '-o', '-path', '/var/tmp', ')', '-prune', '-o', '-print'];

/** The lines of the README by which a stranger gets to a first unikernel. */
const lines =
  /<!-- first -->\n+```\n([\s\S]*?)```/
    .exec(readFileSync(join(repository, 'README.md'), 'utf8'))?.[1]
    ?.split('\n')
    .filter((line) => line !== '') ?? [];

t.test(
  "from a package to a first unikernel by the README's lines alone, and back",
  { skip: noDeb || systemdIsMissing, timeout: 600_000 },
  async (t) => {
    const deb = await build('deb', 'package-1');
    t.equal(await checksum(deb), await checksum(await build('deb', 'package-2')), 'two builds, one checksum');
    t.ok(lines.length > 0 && lines.length <= 5, `${lines.length} lines`);

    const system = await BootedSystem.boot(t, 'ucrun-package');
    // It has a ucrun, as other tests want it.
    await system.output(['umount', '/usr/bin/ucrun', '/var/lib/ucrun/unikernels']);
    await system.output(['rm', '-r', '/usr/bin/ucrun', '/var/lib/ucrun', '/etc/ucrun']);
    await system.output(['sed', '-i', '/^\\[engine.runtimes\\]/,$d', '/etc/containers/containers.conf']);
    const before = await system.output(listing);

    await copyFile(deb, system.path(join('/root', basename(deb))));
    const shell = (line: string) =>
      system.run(
        ['bash', '-c', `sudo() { "$@"; }; cd /root; export DEBIAN_FRONTEND=noninteractive; ${line}`],
        {
          timeoutSeconds: 300,
        },
      );
    for (const line of lines.slice(0, -1)) {
      const { status, stdout, stderr } = await shell(line.replace('apt install', 'apt-get --yes install'));
      t.equal(status, 0, `${line}\n${stdout}${stderr}`);
    }
    const [last = ''] = lines.slice(-1);
    const answer = await waitFor(
      'the first unikernel',
      async () => {
        const { status, stdout } = await shell(last);
        return status === 0 && stdout;
      },
      120,
    );
    t.match(JSON.parse(answer), { name: 'hello', cmdline: /^name=hello ip=10\.88\./ });

    const doctor = await system.run(['ucrun', 'doctor']);
    t.equal(doctor.status, 0, doctor.stdout);
    t.match(doctor.stdout, /^ok +podman .*has ucrun at \/usr\/bin\/ucrun$/m);
    t.match(await system.run(['ucrun', 'image', 'rm', '--force', 'hello']), {
      status: 1,
      stderr: /"hello" in \/usr\/share\/ucrun\/unikernels belongs to a package\nhint: /,
    });
    t.match(await system.output(['ucrun', 'image', 'ls']), /^hello +raw/m);
    t.match(await system.run(['podman', '--runtime=ucrun', 'run', '--rm', 'localhost/hello', 'exit=5']), {
      status: 5,
    });

    await system.output(['podman', 'rm', '--force', '--all']);
    // An upgrade leaves the engines as they are; the administrator's own choice as well.
    await system.output(['ucrun', 'setup', 'podman', '--default']);
    await system.output(['dpkg', '--install', `/root/${basename(deb)}`]);
    t.equal(
      await system.output(['podman', 'info', '--format', '{{.Host.OCIRuntime.Path}}']),
      '/usr/bin/ucrun',
    );
    t.match(await system.output(['dpkg', '--remove', 'ucrun']), 'podman does not know ucrun any more');
    t.notMatch(await system.output(['podman', 'info', '--format', '{{.Host.OCIRuntime.Path}}']), 'ucrun');
    await system.output(['dpkg', '--purge', 'ucrun']);
    const after = await system.output(listing);
    const left = after.split('\n').filter((path) => !before.split('\n').includes(path));
    t.strictSame(left, []);
  },
);

t.test('a package for rpm has the same content each time', { skip: noRpm, timeout: 300_000 }, async (t) => {
  const rpm = await build('rpm', 'package-3');
  t.equal(await checksum(rpm), await checksum(await build('rpm', 'package-4')), 'two builds, one checksum');
  const ask = (...args: readonly string[]) => output('rpm', ['--query', '--package', ...args, rpm]);
  const files = (await ask('--list')).split('\n');
  for (const file of [
    '/usr/bin/ucrun',
    '/usr/share/man/man1/ucrun.1.gz',
    '/usr/share/ucrun/unikernels/hello/unikernel.json',
  ])
    t.ok(files.includes(file), file);
  const needs = await ask('--requires');
  for (const name of ['crun', 'iproute', 'libatomic.so.1()(64bit)', 'libc.so.6(GLIBC_2.28)(64bit)'])
    t.ok(needs.split('\n').includes(name), name);
  t.match(await ask('--scripts'), 'ucrun setup --remove');
  t.match(await ask('--triggers'), 'ucrun setup podman');
});
