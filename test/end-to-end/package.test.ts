/** Packages: built twice to one checksum, and installed, used and removed on a system that knows no ucrun; the .deb by the README's own lines. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
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

/** What an installation may change and a removal has to put back; the package managers' own records and logs are not counted. */
const uncounted = [
  '/var/lib/dpkg',
  '/var/lib/rpm',
  '/var/log',
  '/var/cache',
  '/var/lib/apt',
  '/var/lib/containers',
  '/var/tmp',
];
const pruned = uncounted.flatMap((path, index) => [...(index === 0 ? [] : ['-o']), '-path', path]);
const listing = ['find', '/etc', '/usr', '/var', '-xdev', '(', ...pruned, ')', '-prune', '-o', '-print'];

/** Boot a system without the ucrun that other tests want it to have. @returns it, and how to ask it what an installation has left */
async function bootWithoutUcrun(t: Test, name: string) {
  const system = await BootedSystem.boot(t, name);
  await system.output(['umount', '/usr/bin/ucrun', '/var/lib/ucrun/unikernels']);
  await system.output(['rm', '-r', '/usr/bin/ucrun', '/var/lib/ucrun', '/etc/ucrun']);
  await system.output(['sed', '-i', '/^\\[engine.runtimes\\]/,$d', '/etc/containers/containers.conf']);
  // On every system of rpm's kind these are the package filesystem's.
  await system.output(['mkdir', '-p', '/usr/share/man/man1', '/usr/share/man/man5']);
  const before = new Set((await system.output(listing)).split('\n'));
  const left = async () => (await system.output(listing)).split('\n').filter((path) => !before.has(path));
  return { system, left };
}

const defaultRuntime = (system: BootedSystem) =>
  system.output(['podman', 'info', '--format', '{{.Host.OCIRuntime.Path}}']);

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

    const { system, left } = await bootWithoutUcrun(t, 'ucrun-package');
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
    t.equal(await defaultRuntime(system), '/usr/bin/ucrun');
    t.match(await system.output(['dpkg', '--remove', 'ucrun']), 'podman does not know ucrun any more');
    t.notMatch(await defaultRuntime(system), 'ucrun');
    await system.output(['dpkg', '--purge', 'ucrun']);
    t.strictSame(await left(), []);
  },
);

let rpm = '';

t.test('a package for rpm has the same content each time', { skip: noRpm, timeout: 300_000 }, async (t) => {
  rpm = await build('rpm', 'package-3');
  t.equal(await checksum(rpm), await checksum(await build('rpm', 'package-4')), 'two builds, one checksum');
  const ask = (...args: readonly string[]) => output('rpm', ['--query', '--package', ...args, rpm]);
  const files = (await ask('--list')).split('\n');
  for (const file of [
    '/usr/bin/ucrun',
    '/usr/share/man/man1/ucrun.1.gz',
    '/usr/share/ucrun/unikernels/hello/unikernel.json',
  ])
    t.ok(files.includes(file), file);
  const links = /\]\(((?:compose-examples|deploy|docs)\/[^)#]+)/g;
  const linked = [...readFileSync(join(repository, 'README.md'), 'utf8').matchAll(links)];
  t.ok(linked.length > 10);
  for (const [, path = ''] of linked) t.ok(files.includes(`/usr/share/doc/ucrun/${path}`), path);
  const needs = await ask('--requires');
  for (const name of ['crun', 'iproute', 'libatomic.so.1()(64bit)', 'libc.so.6(GLIBC_2.28)(64bit)'])
    t.ok(needs.split('\n').includes(name), name);
});

/** A package called podman with nothing in it: on a Debian podman is not among the packages that rpm knows. */
async function buildPodmanForRpm(): Promise<string> {
  const folder = join(scratch, 'podman-for-rpm');
  await mkdir(folder);
  const spec = join(folder, 'podman.spec');
  const text = 'Name: podman\nVersion: 5\nRelease: 1\nSummary: x\nLicense: x\n%description\n%files\n';
  await writeFile(spec, text);
  const places = [`_topdir ${folder}`, '_rpmfilename podman.rpm'].flatMap((place) => ['--define', place]);
  await output('rpmbuild', ['--quiet', '-bb', ...places, spec]);
  return join(folder, 'RPMS/podman.rpm');
}

/** Bring this host's rpm, with its libraries and settings, into a system that has none. @returns the words that call it there */
async function bringRpm(system: BootedSystem): Promise<readonly string[]> {
  const place = '/opt/rpm';
  await mkdir(system.path(place));
  const program = (await output('sh', ['-c', 'command -v rpm'])).trim();
  const libraries = (await output('ldd', [program])).match(/\/\S+(?= \()/g) ?? [];
  const loader = libraries.find((path) => basename(path).startsWith('ld-linux'));
  if (loader === undefined) throw new Error(`${program} has no loader`);
  await output('cp', ['--dereference', program, ...libraries, system.path(place)]);
  const settings = (await output('rpm', ['--eval', '%{_rpmconfigdir}'])).trim();
  await output('cp', ['-r', settings, system.path(`${place}/settings`)]);
  const load = [`${place}/${basename(loader)}`, '--library-path', place, `${place}/rpm`];
  return ['env', `RPM_CONFIGDIR=${place}/settings`, ...load, '--dbpath', '/var/lib/rpm'];
}

t.test(
  'a package for rpm is installed, tells podman of ucrun when there is one, and is removed without a trace',
  { skip: noRpm || systemdIsMissing, timeout: 600_000 },
  async (t) => {
    const podman = await buildPodmanForRpm();
    const { system, left } = await bootWithoutUcrun(t, 'ucrun-rpm');
    const program = await bringRpm(system);
    for (const file of [rpm, podman]) await copyFile(file, system.path(join('/root', basename(file))));
    // The packages that it depends on are Debian's there, of which rpm does not know.
    const call = async (...args: readonly string[]) => {
      const { status, stdout, stderr } = await system.run([...program, '--nodeps', ...args], {
        timeoutSeconds: 300,
      });
      t.equal(status, 0, `rpm ${args.join(' ')}\n${stdout}${stderr}`);
      return stdout;
    };
    const knowsUcrun = async () => (await system.run(['podman', '--runtime=ucrun', 'info'])).status === 0;

    await call('--install', `/root/${basename(rpm)}`);
    t.notOk(await knowsUcrun(), 'there is no podman yet');
    t.match(await call('--install', `/root/${basename(podman)}`), /^podman \S+ knows ucrun$/m);
    t.ok(await knowsUcrun(), 'a podman that comes later is told');
    t.equal(await call('--verify', 'ucrun'), '', 'every file is as it was packed');

    t.match(await system.run(['ucrun', 'doctor']), { status: 0, stdout: /^ok +registry +1 of 1 /m });
    await system.output(['ucrun', 'image', 'pack', 'hello', 'localhost/hello', '--load']);
    t.match(await system.run(['podman', '--runtime=ucrun', 'run', '--rm', 'localhost/hello', 'exit=5']), {
      status: 5,
    });

    await system.output(['ucrun', 'setup', 'podman', '--default']);
    await call('--upgrade', '--force', `/root/${basename(rpm)}`);
    t.equal(await defaultRuntime(system), '/usr/bin/ucrun', "the administrator's own choice stays");

    t.match(await call('--erase', 'ucrun'), 'podman does not know ucrun any more');
    t.notMatch(await defaultRuntime(system), 'ucrun');
    t.strictSame(await left(), []);
    t.match(await call('--install', `/root/${basename(rpm)}`), /^podman \S+ knows ucrun$/m);
    await call('--erase', 'ucrun');
    t.strictSame(await left(), []);
  },
);
