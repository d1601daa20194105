/** Images as other projects make them: `run IMAGE` and nothing else starts their unikernel. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { makeBrokenRuntime } from './support/broken-runtime.ts';
import { output } from './support/command.ts';
import { type Docker, noDocker, startDocker } from './support/docker.ts';
import { type Engine, outputOf, podmanEngine } from './support/engine.ts';
import { logOf, stateOf, tracesOf, urlOf, waitForReady } from './support/engine-guests.ts';
import { registry, scratch } from './support/environment.ts';
import { firstAnswer } from './support/http.ts';
import { nothingLeft } from './support/leftovers.ts';

/** An image, and what is to be said of it. */
interface ImageRow {
  readonly name: string;
  readonly image: ImageSource;
  readonly run: (t: Test, engine: Engine, image: string) => Promise<void>;
  /** Why docker cannot have it. */
  readonly withoutDocker?: string;
}

interface ImageSource {
  /** Path in the image → a file of the sample registry's, or the content of a new one as JSON. */
  readonly files: Readonly<Record<string, string | object>>;
  /** Annotations of the image's manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Options of `buildah config`. */
  readonly config: readonly string[];
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

/** urunc's keys in full, for /urunc.json and for annotations. */
function urunc(
  values: Readonly<Record<string, string>>,
  write: (value: string) => string = (value) => value,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [`com.urunc.unikernel.${key}`, write(value)]),
  );
}

const uruncLinux = {
  unikernelType: 'linux',
  hypervisor: 'qemu',
  binary: '/unikernel/vmlinux',
  initrd: '/unikernel/initrd',
  cmdline: '/init',
  unikernelVersion: '6.1',
};
const linuxFiles = { '/unikernel/vmlinux': 'linux/vmlinux', '/unikernel/initrd': 'linux/initrd' };
const helloCommandLine = 'name={hostname} ip={ipv4}/{ipv4_prefix} gw={ipv4_gateway} {args}';
const helloFiles = { '/hello.elf': 'hello/hello.elf' };
const noAnnotations = 'docker 20.10 has no annotations, and takes none from images';

const rows: readonly ImageRow[] = [
  {
    name: 'urunc: /urunc.json with values in base64, and the first word is the program of a Linux kernel',
    image: {
      files: { ...linuxFiles, '/urunc.json': urunc(uruncLinux, base64) },
      config: ['--entrypoint', '["/init"]', '--cmd', ''],
    },
    async run(t, engine, image) {
      await startImage(t, engine, 'im-urunc', image);
      t.match(JSON.parse(await firstAnswer(await urlOf(engine, 'im-urunc'))), {
        name: String,
        uptime: Number,
      });
      await outputOf(engine, ['stop', 'im-urunc']);
      t.equal(await stateOf(engine, 'im-urunc'), 'exited 0');
      const command = ['run', '--rm', ...engine.runtime, image, 'sh', '-c', 'echo $0 $1; exit 7', 'a', 'b'];
      t.match(
        await engine.call(command),
        { status: 7, stdout: 'a b\n', stderr: '' },
        'further words are its own',
      );
    },
  },
  {
    name: 'urunc: annotations of the image, plain',
    withoutDocker: noAnnotations,
    image: {
      files: linuxFiles,
      annotations: urunc(uruncLinux),
      config: ['--entrypoint', '["/init"]', '--cmd', 'sh -c "echo fine; exit 6"'],
    },
    async run(t, engine, image) {
      const ended = await engine.call(['run', '--rm', ...engine.runtime, image]);
      t.match(ended, { status: 6, stdout: /^fine$/m, stderr: '' });
    },
  },
  {
    name: 'urunc: a type that QEMU cannot run, and a monitor that is not QEMU, are refused',
    image: {
      files: {
        ...helloFiles,
        '/urunc.json': urunc({ unikernelType: 'hermit', hypervisor: 'spt', binary: '/hello.elf' }, base64),
      },
      config: ['--cmd', '/hello.elf'],
    },
    async run(t, engine, image) {
      await expectRefusal(t, engine, image, /hypervisor" in \/urunc.json is "spt", not "qemu"/);
    },
  },
  {
    name: '/ucrun.json, for engines without annotations',
    image: {
      files: {
        ...helloFiles,
        '/ucrun.json': {
          guest: 'raw',
          kernel: '/hello.elf',
          cmdline: helloCommandLine,
          memory: '32MiB',
          ports: ['8080'],
        },
      },
      config: ['--cmd', 'port=8080'],
    },
    async run(t, engine, image) {
      await startImage(t, engine, 'im-file', image, ['--hostname', 'from-file']);
      t.match(JSON.parse(await firstAnswer(await urlOf(engine, 'im-file'))), {
        name: 'from-file',
        cmdline: /\bport=8080$/,
      });
      await outputOf(engine, ['stop', 'im-file']);
      t.equal(await stateOf(engine, 'im-file'), 'exited 0');
    },
  },
  {
    name: 'annotations of the image',
    withoutDocker: noAnnotations,
    image: {
      files: helloFiles,
      annotations: {
        'ucrun.guest': 'raw',
        'ucrun.kernel': '/hello.elf',
        'ucrun.cmdline': 'exit=5 name=annotated',
      },
      config: ['--cmd', '/hello.elf'],
    },
    async run(t, engine, image) {
      const ended = await engine.call(['run', '--rm', '--network', 'none', ...engine.runtime, image]);
      t.match(ended, { status: 5, stdout: /^hello: command line: exit=5 name=annotated$/m, stderr: '' });
    },
  },
  {
    name: 'kraft: the layout of its images',
    withoutDocker: 'docker loads no image whose operating system is "qemu"',
    image: {
      files: { '/unikraft/bin/kernel': 'hello/hello.elf' },
      config: [
        ...['--os', 'qemu', '--arch', 'x86_64', '--os-version', '0.17.0'],
        ...['--os-feature', 'CONFIG_LIBVFSCORE=y', '--cmd', 'port=8080'],
      ],
    },
    async run(t, engine, image) {
      // hello in a Unikraft kernel's place: it understands where the address is, and what is behind the dashes.
      await startImage(t, engine, 'im-kraft', image, ['--env', 'GREETING=hello world']);
      t.match(JSON.parse(await firstAnswer(await urlOf(engine, 'im-kraft'))), {
        cmdline: /^unikernel netdev\.ip=[\d.]+\/\d+:\S+ env\.vars='GREETING=hello world' -- port=8080$/,
      });
      await outputOf(engine, ['stop', 'im-kraft']);
      const ended = await engine.call([
        ...['run', '--rm', '--network', 'none', ...engine.runtime, image, 'exit=7'],
      ]);
      t.match(ended, { status: 7, stdout: /^hello: command line: unikernel -- exit=7$/m });
    },
  },
];

const docker: { started?: Docker } = {};
const podman = podmanEngine('');

t.before(async () => {
  for (const [index, { image }] of rows.entries()) await buildImage(nameOf(index), image);
  if (noDocker !== false) return;
  docker.started = await startDocker(2, await makeBrokenRuntime('broken-images'));
  for (const [index, { withoutDocker }] of rows.entries())
    if (withoutDocker === undefined) await docker.started.load(nameOf(index));
});
t.after(() => docker.started?.stop());

for (const [index, { name, run, withoutDocker }] of rows.entries()) {
  t.test(`podman: ${name}`, (t) => run(t, podman, nameOf(index)));
  t.test(`docker: ${name}`, { skip: noDocker || (withoutDocker ?? false) }, async (t) => {
    if (docker.started === undefined) throw new Error('docker was not started');
    await run(t, docker.started, nameOf(index));
  });
}

function nameOf(index: number): string {
  return `localhost/ucrun-test-image-${index}`;
}

/** Build an image from nothing, as the tools of others do. */
async function buildImage(name: string, { files, annotations = {}, config }: ImageSource): Promise<void> {
  const folder = await mkdtemp(join(scratch, 'image-'));
  for (const [path, content] of Object.entries(files)) {
    const place = join(folder, path);
    await mkdir(dirname(place), { recursive: true });
    if (typeof content === 'string') await copyFile(join(registry, content), place);
    else await writeFile(place, JSON.stringify(content));
  }
  const container = (await output('buildah', ['from', 'scratch'])).trim();
  await output('buildah', ['copy', '--quiet', container, folder, '/']);
  const words = Object.entries(annotations).flatMap(([key, value]) => ['--annotation', `${key}=${value}`]);
  await output('buildah', ['config', ...words, ...config, container]);
  await output('buildah', ['commit', '--quiet', '--rm', container, name]);
  await rm(folder, { recursive: true });
}

/** Start an image's guest in the background; it is removed when the test ends, with all its traces. */
async function startImage(
  t: Test,
  engine: Engine,
  name: string,
  image: string,
  options: readonly string[] = [],
): Promise<void> {
  t.teardown(() => engine.remove(name));
  await outputOf(engine, ['run', '--detach', '--name', name, ...engine.runtime, ...options, image]);
  const traces = await tracesOf(engine, name);
  t.teardown(async () => {
    await engine.remove(name);
    await nothingLeft(traces);
  });
  await waitForReady(engine, name).catch(async (cause) => {
    throw new Error(await logOf(engine, name), { cause });
  });
}

/** An image that cannot be run is said to be so before anything runs. */
async function expectRefusal(t: Test, engine: Engine, image: string, says: RegExp): Promise<void> {
  const { status, stdout, stderr } = await engine.call(['run', '--rm', ...engine.runtime, image]);
  t.not(status, 0);
  t.equal(stdout, '');
  t.match(stderr, says);
}
