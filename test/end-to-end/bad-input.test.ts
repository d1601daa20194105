/** What is wrong is said at create, in one sentence, and nothing is left of the attempt. */
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type BundleSpec, makeBundle } from './support/bundle.ts';
import { run } from './support/command.ts';
import { registry as samples, scratch, ucrun } from './support/environment.ts';
import { buildTrackerImage, trackerImage } from './support/images.ts';
import { podman } from './support/podman.ts';

const folder = join(scratch, 'bad-input');
const registry = join(folder, 'registry');
const stateRoot = join(folder, 'state');
const crunRoot = join(folder, 'crun');
const usualConfig = [`state_dir = "${stateRoot}"`, `registries = ["${registry}", "${samples}"]`, ''].join(
  '\n',
);

/** Registry entries: name → the text of unikernel.json, or what is to be written as JSON. */
const entries: Readonly<Record<string, unknown>> = {
  'no-kernel': { guest: 'raw', kernel: 'gone.elf' },
  'text-kernel': { guest: 'raw', kernel: 'text' },
  'short-kernel': { guest: 'raw', kernel: 'short' },
  'folder-kernel': { guest: 'raw', kernel: '.' },
  'shadow-kernel': { guest: 'raw', kernel: 'shadow' },
  'no-initrd': { guest: 'linux', kernel: join(samples, 'linux/vmlinux'), initrd: 'gone' },
  'not-json': 'guest: raw',
  'not-object': ['raw'],
  'no-guest': { kernel: 'text' },
  'unknown-key': { guest: 'raw', kernel: 'text', memroy: '32MiB' },
  'unknown-guest': { guest: 'windows', kernel: 'text' },
  'bad-memory': { guest: 'raw', kernel: 'text', memory: 'plenty' },
  'bad-cpus': { guest: 'raw', kernel: 'text', cpus: 0 },
  'bad-ports': { guest: 'raw', kernel: 'text', ports: ['http'] },
  'bad-machine': { guest: 'raw', kernel: 'text', machine: 'pc-98' },
};

interface Case {
  readonly name: string;
  readonly env?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly change?: (spec: BundleSpec) => void;
  readonly config?: string;
  readonly id?: string;
  readonly says: RegExp;
  readonly hints?: RegExp;
}

const service = (name: string) => [`SERVICE_NAME=${name}`];

const cases: readonly Case[] = [
  {
    name: 'a kernel that is not there',
    env: service('no-kernel'),
    says: /^kernel "gone.elf" of unikernel "no-kernel" is missing$/,
  },
  {
    name: 'a kernel that is a text',
    env: service('text-kernel'),
    says: /"text" is not a kernel that QEMU can boot/,
    hints: /bzImage.*PVH/,
  },
  {
    name: 'a kernel that was cut off',
    env: service('short-kernel'),
    says: /"short" is not a kernel that QEMU can boot/,
  },
  { name: 'a kernel that is a folder', env: service('folder-kernel'), says: /is not a regular file/ },
  {
    name: 'a kernel that is a link to a secret',
    env: service('shadow-kernel'),
    says: /"shadow" is not a kernel that QEMU can boot/,
  },
  {
    name: 'an initrd that is not there',
    env: service('no-initrd'),
    says: /initrd "gone" of unikernel "no-initrd" is missing/,
  },
  {
    name: 'a name that leaves the registry',
    env: service('../registry/no-kernel'),
    says: /"..\/registry\/no-kernel" in SERVICE_NAME is not a unikernel's name/,
  },
  {
    name: 'a name with a slash',
    env: service('a/b'),
    says: /"a\/b" in SERVICE_NAME is not a unikernel's name/,
  },
  {
    name: 'a name with capitals',
    env: service('Hello'),
    says: /"Hello" in SERVICE_NAME is not a unikernel's name/,
  },
  {
    name: 'an unknown name',
    env: service('helo'),
    says: /unikernel "helo" is unknown.*hello/,
    hints: /did you mean "hello"/,
  },
  {
    name: 'a unikernel.json that is no JSON',
    env: service('not-json'),
    says: /not-json\/unikernel.json is not JSON/,
  },
  { name: 'a unikernel.json that is a list', env: service('not-object'), says: /not-object\/unikernel.json/ },
  { name: 'a unikernel.json without a guest', env: service('no-guest'), says: /"guest" is missing from / },
  {
    name: 'an unknown key',
    env: service('unknown-key'),
    says: /unknown key "memroy" in .*unikernel.json/,
    hints: /"memory"/,
  },
  {
    name: 'an unknown guest type',
    env: service('unknown-guest'),
    says: /unknown guest type "windows"/,
    hints: /raw, linux|linux, raw/,
  },
  { name: 'memory that is no size', env: service('bad-memory'), says: /memory.*plenty/ },
  { name: 'no CPU', env: service('bad-cpus'), says: /"cpus".*0/ },
  { name: 'a port that is a word', env: service('bad-ports'), says: /"http".*is not a port/ },
  { name: 'an unknown machine', env: service('bad-machine'), says: /"machine".*"pc-98"/ },
  {
    name: 'PORT that is no number',
    env: [...service('hello'), 'PORT=http'],
    says: /"http" in PORT is not a port/,
  },
  {
    name: 'PORT out of range',
    env: [...service('hello'), 'PORT=70000'],
    says: /"70000" in PORT is not a port/,
  },
  {
    name: 'PORT with a port twice',
    env: [...service('hello'), 'PORT=80,80'],
    says: /PORT names port 80\/tcp twice/,
  },
  {
    name: 'a kernel that the image does not have',
    annotations: { 'ucrun.guest': 'raw', 'ucrun.kernel': '/boot/kernel' },
    says: /^kernel "\/boot\/kernel" is missing from the image$/,
  },
  {
    name: 'a kernel outside the image',
    annotations: { 'ucrun.guest': 'raw', 'ucrun.kernel': '/../../../../../../../../etc/shadow' },
    says: /^kernel "[./]+\/etc\/shadow" is missing from the image$/,
  },
  {
    name: 'a link out of the image',
    annotations: { 'ucrun.guest': 'raw', 'ucrun.kernel': '/kernel-link' },
    says: /^kernel "\/kernel-link" is missing from the image$/,
  },
  {
    name: 'a loop of links',
    annotations: { 'ucrun.guest': 'raw', 'ucrun.kernel': '/loop' },
    says: /^kernel "\/loop" is a loop of links$/,
  },
  {
    name: 'a device as kernel',
    annotations: { 'ucrun.guest': 'raw', 'ucrun.kernel': '/pipe' },
    says: /^kernel "\/pipe" in the image is not a regular file$/,
  },
  {
    name: 'an unknown annotation',
    annotations: { 'ucrun.kernal': '/k' },
    says: /unknown annotation "ucrun.kernal"/,
    hints: /"ucrun.kernel"/,
  },
  {
    name: 'an annotation without a unikernel',
    annotations: { 'ucrun.memory': '32MiB' },
    says: /"ucrun.memory" is set, but no unikernel is named/,
  },
  {
    name: 'a kernel of the image beside SERVICE_NAME',
    env: service('hello'),
    annotations: { 'ucrun.kernel': '/k', 'ucrun.guest': 'raw' },
    says: /^both SERVICE_NAME=hello and the annotations name a unikernel: one container runs one$/,
    hints: /service_name = false/,
  },
  {
    name: 'a vm section with a file that is not allowed',
    change: (spec) => Object.assign(spec, { vm: { kernel: { path: '/etc/shadow' } } }),
    says: /^kernel "\/etc\/shadow" of the vm section is not in an allowed directory$/,
    hints: /vm_directories/,
  },
  {
    name: 'a vm section with a file that is not allowed, and not there',
    change: (spec) => Object.assign(spec, { vm: { kernel: { path: '/etc/none' } } }),
    says: /^kernel "\/etc\/none" of the vm section is not in an allowed directory$/,
  },
  {
    name: 'a vm section with a monitor',
    change: (spec) =>
      Object.assign(spec, { vm: { kernel: { path: '/k' }, hypervisor: { path: '/bin/sh' } } }),
    says: /^vm\.hypervisor in the bundle's config\.json cannot be used$/,
    hints: /vmm\.qemu/,
  },
  {
    name: 'an annotation of urunc for another monitor',
    annotations: {
      'com.urunc.unikernel.unikernelType': Buffer.from('mirage').toString('base64'),
      'com.urunc.unikernel.hypervisor': Buffer.from('hvt').toString('base64'),
    },
    says: /hypervisor" in the annotations is "hvt", not "qemu"$/,
  },
  {
    name: 'a directory for a guest that takes none',
    env: service('hello'),
    change: (spec) =>
      spec.mounts.push({ destination: '/data', type: 'bind', source: '/usr', options: ['bind'] }),
    says: /^volume "\/data" cannot be given to a guest of type "raw": it takes disk images, and no directories$/,
  },
  {
    name: 'a volume that is not there',
    env: service('hello'),
    change: (spec) =>
      spec.mounts.push({ destination: '/data', type: 'bind', source: '/none', options: ['bind'] }),
    says: /^source "\/none" of volume "\/data" is missing$/,
  },
  {
    name: 'a volume that is a file system',
    env: service('hello'),
    change: (spec) =>
      spec.mounts.push({
        destination: '/data',
        type: 'overlay',
        source: 'overlay',
        options: ['lowerdir=/usr'],
      }),
    says: /^volume "\/data" cannot be given to the guest: it is a file system of type "overlay"$/,
  },
  {
    name: 'a memory limit that no guest fits in',
    env: service('hello'),
    change: (spec) => {
      spec.linux.resources = { ...spec.linux.resources, memory: { limit: 1024 * 1024 } };
    },
    says: /^a memory limit of 1 MiB is too low: QEMU needs \d+ MiB of it, and the guest at least 2 MiB$/,
  },
  { name: 'an id that is a path', id: '../other', env: service('hello'), says: /"..\/other"/ },
  {
    name: 'a configuration with an unknown key',
    env: service('hello'),
    config: 'registry = ["/r"]',
    says: /"registry"/,
    hints: /"registries"/,
  },
  {
    name: 'a configuration that is no TOML',
    env: service('hello'),
    config: 'registries = [',
    says: /config.toml/,
  },
  {
    name: 'a value that is not allowed',
    env: service('hello'),
    config: '[vmm]\naccelerator = "xen"',
    says: /accelerator.*"xen"/,
  },
  {
    name: 'a QEMU that is not there',
    env: service('hello'),
    config: `${usualConfig}[vmm]\nqemu = "/no/such/qemu"`,
    says: /\/no\/such\/qemu/,
  },
  {
    name: 'a crun that is not there',
    env: service('hello'),
    config: `crun = "/no/such/crun"\n${usualConfig}`,
    says: /\/no\/such\/crun/,
  },
];

t.before(async () => {
  for (const [name, content] of Object.entries(entries)) {
    await mkdir(join(registry, name), { recursive: true });
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    await writeFile(join(registry, name, 'unikernel.json'), text);
    await writeFile(join(registry, name, 'text'), 'not a kernel\n'.repeat(1000));
    await writeFile(
      join(registry, name, 'short'),
      (await readFile(join(samples, 'hello/hello.elf'))).subarray(0, 40),
    );
    await symlink('/etc/shadow', join(registry, name, 'shadow'));
  }
  await mkdir(crunRoot);
});

/** A bundle with links in its root file system that an evil image might have. */
async function makeCaseBundle(path: string, { env = [], annotations = {}, change = () => undefined }: Case) {
  await makeBundle(path, (spec) => {
    spec.process.env = ['PATH=/bin', ...env];
    spec.annotations = { ...annotations };
    change(spec);
  });
  const rootfs = join(path, 'rootfs');
  await symlink('/etc/shadow', join(rootfs, 'kernel-link'));
  await symlink('loop', join(rootfs, 'loop'));
  await run('mkfifo', [join(rootfs, 'pipe')]);
}

/** The files below a folder, or nothing if it is not there. */
async function filesBelow(path: string): Promise<readonly string[]> {
  return (await readdir(path, { recursive: true }).catch(() => [])).filter(
    (name) => !['kvm-proof.json', 'crun-version'].includes(name),
  );
}

for (const [index, bad] of cases.entries()) {
  t.test(bad.name, async (t) => {
    const bundle = join(folder, `bundle-${index}`);
    await makeCaseBundle(bundle, bad);
    const config = join(folder, `config-${index}`, 'config.toml');
    await mkdir(join(folder, `config-${index}`));
    await writeFile(config, bad.config ?? usualConfig);
    const log = join(folder, `log-${index}`);
    const specBefore = await readFile(join(bundle, 'config.json'), 'utf8');

    const id = bad.id ?? `bad-${index}`;
    const globals = ['--root', crunRoot, '--log', log, '--log-format', 'json'];
    const { status, stdout, stderr } = await run(ucrun, [...globals, 'create', '--bundle', bundle, id], {
      env: { UCRUN_CONFIG: config },
    });

    t.equal(status, 1);
    t.equal(stdout, '', 'the log of the container stays empty');
    const [said = '', hint = ''] = stderr.split('\n');
    t.match(said, /^ucrun: /);
    t.match(said.replace(/^ucrun: /, ''), bad.says);
    if (bad.hints !== undefined) t.match(hint, bad.hints);
    t.notMatch(stderr, /^ +at /m, 'no stack');
    // Words that make engines draw wrong conclusions.
    t.notMatch(said, /no such file or directory|permission denied|executable file not found/i);
    // An engine shows its user the message alone, so it has the hint, too.
    const remedy = hint.replace(/^hint: /, '');
    await checkLog(t, log, remedy === '' ? said : `${said} (${remedy})`);

    t.equal(
      await readFile(join(bundle, 'config.json'), 'utf8'),
      specBefore,
      "the engine's bundle is as it was",
    );
    t.strictSame(await filesBelow(stateRoot), [], 'no state is left');
    t.strictSame(await filesBelow(crunRoot), [], 'crun has no container');
  });
}

/** Engines parse the whole log as one record. */
async function checkLog(t: Test, log: string, said: string): Promise<void> {
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n');
  t.equal(lines.length, 1, 'one record in the log');
  const { level, msg, time } = JSON.parse(lines[0] ?? '');
  t.equal(level, 'error');
  t.equal(`ucrun: ${msg}`, said, 'which says the same, with the hint');
  t.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
}

t.test('a bundle without a specification', async (t) => {
  const { status, stdout, stderr } = await run(ucrun, [
    '--root',
    crunRoot,
    'create',
    '--bundle',
    folder,
    'none',
  ]);
  t.not(status, 0);
  t.equal(stdout, '');
  t.match(stderr, /config\.json/);
});

t.test('podman shows the reason, and ends with the status for it', async (t) => {
  await buildTrackerImage();
  t.teardown(() => podman(['rm', '--force', '--ignore', 'bad-podman']));
  const args = [
    `--runtime=${ucrun}`,
    'run',
    '--name',
    'bad-podman',
    '--env',
    'SERVICE_NAME=no-such-unikernel',
  ];
  const { status, stdout, stderr } = await podman([...args, trackerImage]);
  t.equal(status, 126);
  t.equal(stdout, '');
  t.match(stderr, /unikernel "no-such-unikernel" is unknown.*hello.*linux/);
});
