import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { findUnikernelFiles } from '../../src/host/unikernel-files.ts';
import type { UnikernelSource } from '../../src/unikernel/detect.ts';
import { vmSettings } from '../../src/unikernel/vm-section.ts';

type Settings = Readonly<Record<string, string>>;

const neverAsked = () => {
  throw new Error('the root file system was asked for');
};
const imageSource = (settings: Settings): UnikernelSource => ({
  kind: 'image',
  image: {
    settings,
    written: Object.fromEntries(Object.keys(settings).map((key) => [key, `ucrun.${key}`])),
    source: 'the annotations',
    isUrunc: false,
  },
});

function vmSource(vm: object, more: Settings = {}): UnikernelSource {
  const image = vmSettings({ vm });
  if (image === undefined) throw new Error('it names no machine');
  const written = Object.fromEntries(Object.keys(more).map((key) => [key, `ucrun.${key}`]));
  return {
    kind: 'vm',
    image: {
      ...image,
      settings: { ...image.settings, ...more },
      written: { ...image.written, ...written },
    },
  };
}

const findOnHost = (directories: readonly string[], source: UnikernelSource) =>
  findUnikernelFiles(source, { folders: [], opsImages: [], vmDirectories: directories }, neverAsked);
const kernelAt = (path: string) => vmSource({ kernel: { path } }, { guest: 'raw' });

/** An allowed directory `vms` beside `secrets`, with links between them. */
function makeHost(t: Test): { readonly vms: string; readonly secrets: string } {
  const folder = realpathSync(
    t.testdir({
      vms: { kernel: 'k', 'disk.img': 'd', initrd: 'i', below: { kernel: 'k' } },
      'vms-too': { kernel: 'k' },
      secrets: { key: 's', folder: {} },
    }),
  );
  const vms = join(folder, 'vms');
  const links: Settings = {
    inside: 'below/kernel',
    'inside-absolute': `${vms}/kernel`,
    out: '../secrets/key',
    'out-absolute': `${folder}/secrets/key`,
    'out-folder': '../secrets',
    'out-dangling': '../secrets/none',
    dangling: 'none',
    loop: 'loop',
  };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(vms, name));
  symlinkSync(vms, join(folder, 'vms-link'));
  return { vms, secrets: join(folder, 'secrets') };
}

t.test('findUnikernelFiles() of a vm section finds files in the allowed directories', async (t) => {
  const { vms } = makeHost(t);
  const folder = join(vms, '..');
  const cases: readonly [directory: string, path: string, found: string][] = [
    [vms, `${vms}/kernel`, 'kernel'],
    [vms, `${vms}/below/kernel`, 'below/kernel'],
    [vms, `${vms}/inside`, 'below/kernel'],
    [vms, `${vms}/inside-absolute`, 'kernel'],
    [vms, `${vms}//below/../kernel`, 'kernel'],
    [vms, `${folder}/vms-link/kernel`, 'kernel'],
    [`${folder}/vms-link`, `${vms}/kernel`, 'kernel'],
    [`${folder}/vms-link/`, `${folder}/vms-link/kernel`, 'kernel'],
    [`${vms}/`, `${vms}/kernel`, 'kernel'],
    [`${vms}/below`, `${vms}/inside`, 'below/kernel'],
    ['/', `${vms}/kernel`, 'kernel'],
  ];
  for (const [directory, path, found] of cases)
    t.equal(findOnHost([directory], kernelAt(path)).kernel, join(vms, found), `${path} in ${directory}`);
  t.equal(findOnHost(['/nowhere', folder], kernelAt(`${vms}/kernel`)).kernel, `${vms}/kernel`);
  const image = { path: `${vms}/disk.img`, format: 'raw' };
  const all = vmSource(
    { kernel: { path: `${vms}/kernel`, initrd: `${vms}/initrd` }, image },
    { guest: 'linux' },
  );
  t.match(findOnHost([vms], all), {
    kernel: `${vms}/kernel`,
    initrd: `${vms}/initrd`,
    disks: [`${vms}/disk.img`],
    definition: { guest: 'linux' },
  });
});

t.test('findUnikernelFiles() of a vm section tells nothing of files outside', async (t) => {
  const { vms, secrets } = makeHost(t);
  const folder = join(vms, '..');
  const paths = [
    `${secrets}/key`,
    `${secrets}/none`,
    `${secrets}/folder`,
    secrets,
    '/etc/shadow',
    '/etc/none',
    '/',
    vms,
    `${vms}/..`,
    `${vms}/../secrets/key`,
    `${vms}/../secrets/none`,
    `${vms}/../secrets/folder/none`,
    `${vms}/none/../../secrets/key`,
    `${vms}/none/../../secrets/none`,
    `${vms}/below/../../secrets/none`,
    `${vms}/out`,
    `${vms}/out-absolute`,
    `${vms}/out-dangling`,
    `${vms}/out-folder/key`,
    `${vms}/out-folder/none`,
    `${vms}/out-folder/folder/none`,
    `${vms}/out/none`,
    `${vms}/loop`,
    `${vms}/loop/x`,
    // A name that only begins like that of an allowed directory.
    `${folder}/vms-too/kernel`,
    `${folder}/vms-too/none`,
    `${folder}/vm`,
  ];
  for (const path of paths) {
    for (const directories of [[vms], [vms, '/nowhere'], []])
      t.throws(
        () => findOnHost(directories, kernelAt(path)),
        {
          code: 'UNIKERNEL_INVALID',
          message: `kernel "${path}" of the vm section is not in an allowed directory`,
          hint: /vm_directories/,
        },
        `${path} in ${directories.join()}`,
      );
  }
  t.throws(() => findOnHost([], kernelAt(`${vms}/kernel`)), { code: 'UNIKERNEL_INVALID' }, 'none is allowed');
});

t.test('findUnikernelFiles() of a vm section says what is missing in an allowed directory', async (t) => {
  const { vms } = makeHost(t);
  const long = `${vms}/${'x'.repeat(300)}`;
  const inDirectory = ['none', 'below', 'below/none', 'dangling', 'kernel/x', 'none/../none'];
  for (const path of [...inDirectory.map((name) => `${vms}/${name}`), long])
    t.throws(
      () => findOnHost([vms], kernelAt(path)),
      { code: 'KERNEL_MISSING', message: `kernel "${path}" of the vm section is missing` },
      path,
    );
  t.throws(() => findOnHost([`${vms}/../vms-link`], kernelAt(`${vms}/../vms-link/none`)), {
    code: 'KERNEL_MISSING',
  });
});

t.test(
  'findUnikernelFiles() checks every file that a vm section names, and those that tune it',
  async (t) => {
    const { vms, secrets } = makeHost(t);
    const kernel = { path: `${vms}/kernel` };
    const key = `${secrets}/key`;
    const cases: readonly [source: UnikernelSource, what: string][] = [
      [vmSource({ kernel: { ...kernel, initrd: key } }, { guest: 'linux' }), `initrd "${key}"`],
      [vmSource({ kernel, image: { path: key, format: 'raw' } }, { guest: 'linux' }), `disk "${key}"`],
      [vmSource({ kernel }, { guest: 'linux', initrd: key }), `initrd "${key}"`],
      [vmSource({ kernel }, { guest: 'linux', initrd: 'kernel' }), 'initrd "kernel"'],
      // Without a guest type the kernel is looked at.
      [vmSource({ kernel: { path: key } }), `kernel "${key}"`],
    ];
    for (const [source, what] of cases)
      t.throws(
        () => findOnHost([vms], source),
        {
          code: 'UNIKERNEL_INVALID',
          message: `${what} of the vm section is not in an allowed directory`,
        },
        what,
      );
  },
);

t.test('findUnikernelFiles() of a vm section tells the guest type by the kernel', async (t) => {
  const { vms } = makeHost(t);
  const bzImage = Buffer.alloc(0x300);
  bzImage[0x1f1] = 4;
  bzImage.writeUInt16LE(0xaa55, 0x1fe);
  bzImage.write('HdrS', 0x202, 'latin1');
  bzImage.writeUInt16LE(0x20c, 0x206);
  writeFileSync(join(vms, 'bzImage'), bzImage);
  const guestOf = (name: string) =>
    findOnHost([vms], vmSource({ kernel: { path: `${vms}/${name}` } })).definition.guest;
  t.equal(guestOf('bzImage'), 'linux');
  t.equal(guestOf('kernel'), 'raw');
});

t.test('findUnikernelFiles() of an image finds its files inside of it', async (t) => {
  const root = realpathSync(t.testdir({ kernel: 'k', boot: { initrd: 'i', 'a.img': 'a' }, 'b.qcow2': 'b' }));
  symlinkSync('/boot/initrd', join(root, 'link'));
  symlinkSync('/etc/passwd', join(root, 'passwd'));
  const find = (settings: Settings) =>
    findUnikernelFiles(
      imageSource(settings),
      { folders: [], opsImages: [], vmDirectories: ['/'] },
      () => root,
    );
  const linux = { guest: 'linux', kernel: '/kernel' };
  t.match(find({ ...linux, initrd: 'link', disk: '/boot/a.img:/data:ro,/../b.qcow2' }), {
    kernel: `${root}/kernel`,
    initrd: `${root}/boot/initrd`,
    disks: [`${root}/boot/a.img`, `${root}/b.qcow2`],
    definition: { disks: [{ path: '/data', readOnly: true }, { path: undefined }] },
  });
  for (const [key, what] of [
    ['kernel', 'kernel'],
    ['initrd', 'initrd'],
    ['disk', 'disk'],
  ] as const)
    for (const path of ['/etc/hostname', '/passwd', '/none', '../../etc/hostname'])
      t.throws(
        () => find({ ...linux, [key]: path }),
        { code: 'KERNEL_MISSING', message: `${what} "${path}" is missing from the image` },
        `${key} ${path}`,
      );
});

t.test('findUnikernelFiles() names a key as it is written where it was found', async (t) => {
  const root = realpathSync(t.testdir({ kernel: 'k' }));
  const written = { guest: 'com.urunc.unikernel.unikernelType', kernel: 'kernel', memory: 'memory' };
  const find = (settings: Settings) =>
    findUnikernelFiles(
      {
        kind: 'image',
        image: { settings, written, source: '/ucrun.json and /urunc.json', isUrunc: false },
      },
      { folders: [], opsImages: [], vmDirectories: [] },
      () => root,
    );
  t.throws(() => find({ guest: 'raw', kernel: '/kernel', memory: 'much' }), {
    code: 'MEMORY_INVALID',
    message: 'memory in /ucrun.json and /urunc.json is "much", not a size',
  });
  t.throws(() => find({ guest: 'raw' }), {
    code: 'UNIKERNEL_INVALID',
    message: '"kernel" is missing from /ucrun.json and /urunc.json',
  });
  t.throws(() => find({ guest: 'rumprun', kernel: '/kernel' }), {
    code: 'GUEST_UNSUPPORTED',
    message: 'guest type "rumprun" in /ucrun.json and /urunc.json is one that ucrun cannot run',
  });
  t.throws(() => find({ kernel: '/kernel' }), {
    message: '"com.urunc.unikernel.unikernelType" is missing from /ucrun.json and /urunc.json',
  });
});

t.test('findUnikernelFiles() of a registry takes annotations for what tunes it only', async (t) => {
  const registry = realpathSync(t.testdir({ hello: {} }));
  mkdirSync(join(registry, 'hello'), { recursive: true });
  writeFileSync(join(registry, 'hello/k'), 'k');
  writeFileSync(
    join(registry, 'hello/unikernel.json'),
    JSON.stringify({ guest: 'raw', kernel: 'k', memory: '32MiB' }),
  );
  const find = (overrides: Settings) =>
    findUnikernelFiles(
      { kind: 'registry', name: 'hello', overrides },
      { folders: [registry], opsImages: [], vmDirectories: [] },
      neverAsked,
    );
  t.match(find({}), { kernel: `${registry}/hello/k`, disks: [], definition: { memoryMiB: 32 } });
  t.match(find({ memory: '64MiB', cpus: '2' }), { definition: { memoryMiB: 64, cpus: 2 } });
  for (const key of ['initrd', 'root'])
    t.throws(() => find({ [key]: 'x' }), {
      code: 'UNIKERNEL_INVALID',
      message: `annotation "ucrun.${key}" contradicts SERVICE_NAME=hello`,
    });
  t.throws(() => find({ memory: '0' }), {
    message: 'ucrun.memory in the annotations is "0", not a size',
  });
});
