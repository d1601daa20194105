import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { guestKinds } from '../../../src/unikernel/guests/guest.ts';
import { nanosDisk } from '../../host/support/nanos-disk.ts';
import { elfFile, note, pvhNote, words } from '../../unikernel/support/elf.ts';
import { setting } from './support.ts';

t.test('add makes a unikernel, ls lists it, inspect shows it, rm removes it', async (t) => {
  const { folder, kernel, registry, image } = setting(t);
  writeFileSync(join(folder, 'data.raw'), 'data');
  const files = ['--kernel', kernel, '--disk', 'data.raw:/data:ro'];
  const settings = [
    '--memory',
    '16MiB',
    '--cpus',
    '2',
    '--port',
    '8080',
    '--port',
    '53/udp',
    '--cmdline',
    'a {args}',
  ];
  t.strictSame(await image('add', 'good', '--guest', 'raw', ...files, ...settings, '--version', '1.2'), {
    status: 0,
    stdout: 'added good (raw, 912B)\n',
    stderr: '',
  });
  t.strictSame(JSON.parse(readFileSync(join(registry, 'good/unikernel.json'), 'utf8')), {
    guest: 'raw',
    kernel: 'kernel',
    disk: 'disk1.img:/data:ro',
    cmdline: 'a {args}',
    version: '1.2',
    memory: '16MiB',
    cpus: 2,
    ports: ['8080', '53/udp'],
  });
  t.strictSame(readdirSync(join(registry, 'good')).sort(), ['disk1.img', 'kernel', 'unikernel.json']);

  const list = await image('ls');
  t.strictSame([list.status, list.stderr], [0, '']);
  t.match(
    list.stdout,
    /^NAME {2}GUEST {2}SIZE {2}CREATED {7,8}MEMORY {2}PORTS\ngood {2}raw {4}912B {2}\d+ seconds? ago {2}16MiB {3}8080\/tcp,53\/udp\n$/,
  );
  t.match(JSON.parse((await image('ls', '--json')).stdout), [
    { name: 'good', definition: { guest: 'raw' }, sizeBytes: Number },
  ]);
  t.match(JSON.parse((await image('inspect', 'good')).stdout), {
    name: 'good',
    source: `${registry}/good/unikernel.json`,
    files: { kernel: `${registry}/good/kernel`, disks: [`${registry}/good/disk1.img`] },
    format: { kind: 'pvh-elf', bits: 32 },
  });
  t.strictSame(await image('rm', 'good'), { status: 0, stdout: 'good\n', stderr: '' });
  t.strictSame(readdirSync(registry), []);
});

t.test(
  'ls lists what is broken with what is wrong, and says where it looked if there is nothing',
  async (t) => {
    const { folder, registry, image } = setting(t);
    const looked = `no unikernels in ${registry}, ${folder}/home/.ops/images; "ucrun image add" and "ucrun image import" make one\n`;
    const head = 'NAME  GUEST  SIZE  CREATED  MEMORY  PORTS\n';
    t.strictSame(await image('ls'), { status: 0, stdout: head, stderr: looked });
    t.strictSame(await image('ls', '--json'), { status: 0, stdout: '[]\n', stderr: looked });
    mkdirSync(join(registry, 'odd'));
    writeFileSync(join(registry, 'odd/unikernel.json'), '{"guest":"tower","kernel":"k"}');
    const problem = `unknown guest type "tower" in ${registry}/odd/unikernel.json`;
    t.match((await image('ls')).stdout, `odd   -      -     -        -       broken: ${problem}\n`);
    t.match(JSON.parse((await image('ls', '--json')).stdout), [{ name: 'odd', problem }]);
    rmSync(registry, { recursive: true });
    writeFileSync(join(folder, 'config.toml'), 'registries = []');
    t.match(await image('ls'), { status: 0, stderr: 'no registry is configured\n' });
    t.match(await image('add', 'x', '--guest', 'raw', '--kernel', 'kernel.elf'), {
      status: 1,
      stderr: /^ucrun: there is no registry to write to\nhint: /,
    });
  },
);

t.test('add refuses what could not run, and leaves nothing of it', async (t) => {
  const { registry, image } = setting(t);
  const cases: readonly (readonly [args: readonly string[], stderr: RegExp])[] = [
    [['x'], /^ucrun: "--guest" is missing from the command line\n/],
    [['x', '--guest', 'raw'], /^ucrun: "--kernel" is missing from the command line\n/],
    [['x', '--guest', 'tower', '--kernel', 'kernel.elf'], /unknown guest type "tower"/],
    [['x', '--guest', 'raw', '--kernel', 'none'], /file "none" is missing\n/],
    [['x', '--guest', 'raw', '--kernel', 'config.toml'], /"config.toml" is not a kernel that QEMU can boot/],
    [
      ['x', '--guest', 'raw', '--kernel', 'kernel.elf', '--memory', '5'],
      /^ucrun: --memory in the command line is "5"/,
    ],
    [
      ['x', '--guest', 'raw', '--kernel', 'kernel.elf', '--cpus', 'two'],
      /"--cpus" in the command line must be/,
    ],
    [['x', '--guest', 'raw', '--kernel', 'kernel.elf', '--port', '0'], /--port in the command line/],
    [['X', '--guest', 'raw', '--kernel', 'kernel.elf'], /^ucrun: "X" is not a unikernel's name\n/],
    [['--guest', 'raw'], /^ucrun: image add needs a name for the unikernel\n/],
    [['x', '--gest', 'raw'], /^ucrun: unknown option "--gest"\n/],
  ];
  for (const [args, stderr] of cases) {
    t.match(await image('add', ...args), { status: 1, stdout: '', stderr }, args.join(' '));
    t.strictSame(readdirSync(registry), []);
  }
  const share = ['--share', 'virtiofs'];
  t.match(await image('add', 'x', '--guest', 'raw', '--kernel', 'kernel.elf', ...share), {
    status: 1,
    stderr: /"--share" in the command line is "virtiofs", which a guest of type "raw" cannot have\n/,
  });
  const add = ['add', 'x', '--guest', 'raw', '--kernel', 'kernel.elf'];
  t.match(await image(...add, '--json'), { status: 0, stdout: /^\{\n {2}"name": "x",\n/, stderr: '' });
  t.match(await image(...add), { status: 1, stderr: /has a unikernel "x" already\nhint: .*--replace\n/ });
  t.match(await image(...add, '--replace', '--memory', '8MiB'), { status: 0 });
  t.match(readFileSync(join(registry, 'x/unikernel.json'), 'utf8'), /8MiB/);
  t.match(await image(...add, '--replace', '--guest', 'linux', ...share), { status: 0 });
  t.match(readFileSync(join(registry, 'x/unikernel.json'), 'utf8'), /"share": "virtiofs"/);
});

t.test('rm removes what it can, and keeps what containers use', async (t) => {
  const { folder, registry, image } = setting(t);
  for (const name of ['one', 'two', 'used'])
    t.equal((await image('add', name, '--guest', 'raw', '--kernel', 'kernel.elf')).status, 0);
  mkdirSync(join(folder, 'state/run-crun:c1'));
  writeFileSync(
    join(folder, 'state/run-crun:c1/config.json'),
    JSON.stringify({ mounts: [{ source: `${registry}/used/kernel` }] }),
  );
  t.strictSame(await image('rm', 'one', 'none', 'used', 'two'), {
    status: 1,
    stdout: 'one\ntwo\n',
    stderr: [
      'ucrun: unikernel "none" is unknown; there are: two, used',
      `hint: put it into a folder ${registry}/none, or add it with "ucrun image"`,
      'ucrun: container c1 uses the unikernel "used"',
      'hint: remove it first; "ucrun image rm --force" removes the unikernel all the same',
      '',
    ].join('\n'),
  });
  t.match(await image('add', 'used', '--replace', '--guest', 'raw', '--kernel', 'kernel.elf'), {
    status: 1,
    stderr: /container c1 uses/,
  });
  mkdirSync(join(registry, 'broken'));
  writeFileSync(join(registry, 'broken/unikernel.json'), '{');
  t.strictSame(await image('rm', 'broken'), { status: 0, stdout: 'broken\n', stderr: '' });
  const { status, stdout } = await image('rm', '--force', 'used', '--json');
  t.strictSame([status, JSON.parse(stdout)], [0, [{ name: 'used', removed: true }]]);
  t.strictSame(readdirSync(registry), []);
});

t.test('inspect and import say what a file is, and what it would need', async (t) => {
  const { folder, image } = setting(t);
  writeFileSync(join(folder, 'spt.elf'), elfFile({ notes: [note('Solo5', 0x31494241, words(2, 1, 0, 0))] }));
  t.match(JSON.parse((await image('inspect', './spt.elf')).stdout), {
    kind: 'kernel',
    guest: 'mirage',
    description: /^Solo5 unikernel \(MirageOS\) for the target spt, 64-bit ELF file without/,
    needs: /virtio/,
  });
  t.match(await image('import', 'spt.elf'), {
    status: 1,
    stderr:
      /^ucrun: "spt.elf" cannot be imported as it is: Solo5 unikernel .*\nhint: it is built for the Solo5 target spt/,
  });
  t.match(await image('import', 'config.toml'), { status: 1, stderr: /file of no known kind/ });
  t.match(await image('import', 'missing'), {
    status: 1,
    stderr: /^ucrun: "missing" is missing\nhint: .*docker:\/\//,
  });
  t.match(await image('inspect', 'missing'), { status: 1, stderr: /unikernel "missing" is unknown/ });
  t.match(await image('inspect', './missing'), { status: 1, stderr: 'ucrun: file "./missing" is missing\n' });
  writeFileSync(join(folder, 'web.img'), nanosDisk());
  t.match(JSON.parse((await image('inspect', 'web.img')).stdout), {
    kind: 'disk',
    guest: 'nanos',
    description: 'Nanos disk image',
  });
});

t.test('add tells a kernel that cannot run, and remarks on one that looks like another kind', async (t) => {
  const { folder, registry, image } = setting(t);
  const solo5 = (target: number) => note('Solo5', 0x31494241, words(target, 1, 0, 0));
  writeFileSync(join(folder, 'virtio.elf'), elfFile({ bits: 32, multiboot: true, notes: [solo5(3)] }));
  writeFileSync(join(folder, 'xen.elf'), elfFile({ notes: [solo5(6), pvhNote] }));
  t.match(await image('add', 'x', '--guest', 'raw', '--kernel', 'xen.elf'), {
    status: 1,
    stderr:
      /^ucrun: "xen\.elf" cannot run on QEMU here: Solo5 unikernel .*\nhint: it is built for the Solo5 target xen/,
  });
  t.strictSame(readdirSync(registry), []);
  t.match(await image('add', 'x', '--guest', 'linux', '--kernel', 'virtio.elf'), {
    status: 0,
    stderr: /^"virtio\.elf" does not look like a kernel of type "linux": Solo5 unikernel/,
  });
  t.match(await image('add', 'y', '--guest', 'raw', '--kernel', 'virtio.elf'), { status: 0, stderr: '' });
});

t.test('import wants the file that a file lacks', async (t) => {
  const { folder, image } = setting(t);
  const isKnown = (guestKinds as readonly string[]).includes('hermit');
  writeFileSync(join(folder, 'app'), elfFile({ notes: [note('HERMIT', 0x5a00, Uint8Array.of(4))] }));
  t.match(await image('import', 'app'), {
    status: 1,
    stderr: /hint: it needs the Hermit loader as its kernel/,
  });
  t.match(
    await image('import', 'app', '--kernel', 'kernel.elf'),
    isKnown ? { status: 0 } : { status: 1, stderr: /guest of type "hermit", which this ucrun does not know/ },
  );
  t.match(await image('import', 'app', 'other', '--memory', '8MiB'), {
    status: 1,
    stderr: /cannot be imported as it is/,
  });
});

t.test('import makes a unikernel of a kernel, named after it', async (t) => {
  const { registry, image } = setting(t);
  t.match(await image('import', 'kernel.elf', '--memory', '8MiB'), {
    status: 0,
    stdout: /^added kernel \(raw, /,
    stderr: /^kernel\.elf: Kernel of no known system, 32-bit ELF file with a PVH note\n$/,
  });
  t.strictSame(JSON.parse(readFileSync(join(registry, 'kernel/unikernel.json'), 'utf8')), {
    guest: 'raw',
    kernel: 'kernel',
    memory: '8MiB',
  });
});
