import t from 'tap';
import { defaultConfig } from '../../src/unikernel/config-defaults.ts';
import { parseDefinition } from '../../src/unikernel/definition.ts';
import type { KernelFormat } from '../../src/unikernel/kernel-format.ts';
import { type MachineRequest, type MachineShare, planMachine } from '../../src/unikernel/machine.ts';
import { type PlannedVolume, planVolumes } from '../../src/unikernel/volumes.ts';
import { tcg } from './support/plans.ts';

const pvh: KernelFormat = { kind: 'pvh-elf', bits: 64 };
const multiboot: KernelFormat = { kind: 'multiboot-elf', bits: 32 };
const bzImage: KernelFormat = { kind: 'bzimage' };
const MiB = 1024 * 1024;

interface Case {
  readonly definition?: object;
  readonly format?: KernelFormat | 'none';
  readonly volumes?: readonly PlannedVolume[];
  readonly rootShare?: MachineShare;
  readonly limits?: Partial<MachineRequest['limits']>;
  readonly config?: Partial<typeof defaultConfig.machine>;
  readonly extraArgs?: readonly string[];
  readonly loadedBytes?: number;
  readonly virtiofsd?: string;
}

function plan({
  definition,
  format = pvh,
  limits,
  config,
  extraArgs = [],
  loadedBytes = 20_000,
  ...rest
}: Case) {
  return planMachine({
    definition: parseDefinition({ guest: 'raw', kernel: 'k.elf', ...definition }, 'a test'),
    format: format === 'none' ? undefined : format,
    volumes: rest.volumes ?? [],
    rootShare: rest.rootShare,
    limits: { memoryLimitBytes: undefined, cpuQuota: undefined, cpusetSize: undefined, ...limits },
    config: { vmm: { ...defaultConfig.vmm, extraArgs }, machine: { ...defaultConfig.machine, ...config } },
    accelerator: tcg,
    qemu: '/usr/bin/qemu-system-x86_64',
    virtiofsd: rest.virtiofsd,
    hasPasst: false,
    loadedBytes,
  });
}

t.test('planMachine() gives the least definition the defaults', async (t) => {
  t.strictSame(plan({}), {
    guest: 'raw',
    model: 'microvm',
    bus: 'mmio',
    firmware: 'qboot.rom',
    memoryMiB: 128,
    vmmMemory: { limit: 'within', overheadMiB: 78, codeCacheMiB: 32 },
    cpus: 1,
    boot: 'kernel',
    hasInitrd: false,
    disks: [],
    shares: [],
    virtiofsd: undefined,
    modernVirtio: false,
    accelerator: tcg,
    qemu: '/usr/bin/qemu-system-x86_64',
    extraArgs: [],
    powerButton: true,
  });
});

t.test('planMachine() takes over what definition and configuration say', async (t) => {
  const definition = { initrd: 'i', memory: '64MiB', cpus: 3, machine: 'q35', powerButton: false };
  const expected = { model: 'q35', bus: 'pci', memoryMiB: 64, cpus: 3, hasInitrd: true, powerButton: false };
  t.match(plan({ definition, config: { memoryMiB: 1024, cpus: 8, model: 'microvm' } }), expected);
  t.match(plan({ config: { memoryMiB: 1024, cpus: 8, model: 'q35' } }), {
    memoryMiB: 1024,
    cpus: 8,
    model: 'q35',
  });
  t.match(plan({ extraArgs: ['-device', 'x'] }), { extraArgs: ['-device', 'x'] });
});

t.test('planMachine() chooses the fastest model, and the firmware that can start the kernel', async (t) => {
  const cases: readonly [guest: string, format: KernelFormat, model: string | undefined, expected: object][] =
    [
      ['raw', pvh, undefined, { model: 'microvm', bus: 'mmio', firmware: 'qboot.rom' }],
      ['raw', pvh, 'q35', { model: 'q35', bus: 'pci', firmware: 'qboot.rom' }],
      ['raw', multiboot, undefined, { model: 'q35', bus: 'pci', firmware: undefined }],
      ['linux', bzImage, undefined, { model: 'q35', bus: 'pci', firmware: 'qboot.rom' }],
      ['linux', bzImage, 'microvm', { model: 'microvm', bus: 'mmio', firmware: 'qboot.rom' }],
      ['linux', pvh, undefined, { model: 'q35', bus: 'pci', firmware: 'qboot.rom' }],
      ['unikraft', multiboot, undefined, { model: 'q35', firmware: undefined, modernVirtio: false }],
      ['mirage', multiboot, undefined, { model: 'q35', firmware: undefined, modernVirtio: false }],
      ['hermit', multiboot, undefined, { model: 'q35', firmware: undefined, modernVirtio: true }],
      ['mewz', multiboot, undefined, { model: 'q35', firmware: undefined, modernVirtio: true }],
      ['osv', pvh, undefined, { model: 'q35', firmware: 'qboot.rom', modernVirtio: false }],
      ['nanos', pvh, undefined, { model: 'q35', firmware: 'qboot.rom', modernVirtio: true }],
      ['nanos', pvh, 'microvm', { model: 'microvm', bus: 'mmio', firmware: 'qboot.rom' }],
    ];
  for (const [guest, format, machine, expected] of cases) {
    const definition = { guest, disk: 'd.img', ...(machine === undefined ? {} : { machine }) };
    t.match(plan({ definition, format }), expected, `${guest}, ${format.kind}, ${machine ?? 'auto'}`);
  }
});

t.test('planMachine() boots a guest without a kernel from its first disk', async (t) => {
  const definition = { guest: 'nanos', kernel: undefined, disk: 'd.img' };
  t.match(plan({ definition, format: 'none' }), { boot: 'disk', model: 'q35', firmware: undefined });
  t.throws(() => plan({ definition: { ...definition, machine: 'microvm' }, format: 'none' }), {
    code: 'KERNEL_INVALID',
    message: 'a guest of type "nanos" cannot be booted from its disk on microvm',
    hint: 'set the machine to "q35"',
  });
});

t.test(
  'planMachine() puts disks of the unikernel before those of the volumes, and the root before other shares',
  async (t) => {
    const requests = (['directory', 'file', 'directory'] as const).map((sourceKind, index) => ({
      destination: `/v${index}`,
      source: sourceKind === 'file' ? `/s${index}.qcow2` : `/s${index}`,
      sourceKind,
      readOnly: index > 0,
    }));
    const machine = plan({
      definition: { guest: 'linux', disk: ['a.img', 'b.qcow2:/data:ro'] },
      volumes: planVolumes(requests, 'linux', { share: '9p', disk: true }, 2),
      rootShare: { driver: '9p', tag: 'fs0', readOnly: true },
    });
    t.strictSame(machine.disks, [
      { isOverlay: true, format: 'qcow2', baseFormat: 'raw', readOnly: false },
      { isOverlay: true, format: 'qcow2', baseFormat: 'qcow2', readOnly: true },
      { isOverlay: false, format: 'qcow2', readOnly: true },
    ]);
    t.strictSame(machine.shares, [
      { driver: '9p', tag: 'fs0', readOnly: true },
      { driver: '9p', tag: 'fs1', readOnly: false },
      { driver: '9p', tag: 'fs2', readOnly: true },
    ]);
  },
);

t.test('planMachine() refuses a kernel that guest or machine cannot boot', async (t) => {
  const cases: readonly [what: Case, problem: string, hint: string][] = [
    [
      { format: bzImage },
      'is a Linux bzImage, but a guest of type "raw" needs an ELF file with a PVH note or a multiboot ELF file',
      'set the guest type to "linux"',
    ],
    [
      { definition: { guest: 'linux' }, format: multiboot },
      'is a multiboot ELF file, but a guest of type "linux" needs a Linux bzImage or an ELF file with a PVH note',
      'set the guest type to "raw" or "unikraft" or "mirage" or "hermit" or "mewz"',
    ],
    [
      { definition: { guest: 'nanos', disk: 'd.img' }, format: multiboot },
      'is a multiboot ELF file, but a guest of type "nanos" needs an ELF file with a PVH note',
      'set the guest type to "raw" or "unikraft" or "mirage" or "hermit" or "mewz"',
    ],
    [
      { definition: { machine: 'microvm' }, format: multiboot },
      'cannot be booted: microvm cannot boot multiboot files',
      'set the machine to "q35"',
    ],
    [
      { config: { model: 'microvm' }, format: multiboot },
      'cannot be booted: microvm cannot boot multiboot files',
      'set the machine to "q35"',
    ],
    [
      { format: { kind: 'multiboot-elf', bits: 64 } },
      'cannot be booted: QEMU loads only 32-bit multiboot files',
      'link it as a 32-bit ELF, or give it a PVH note',
    ],
  ];
  for (const [what, problem, hint] of cases)
    t.throws(
      () => plan(what),
      { code: 'KERNEL_INVALID', message: `kernel "k.elf" ${problem}`, hint },
      problem,
    );
});

t.test('planMachine() refuses microvm to guests that do not run there', async (t) => {
  for (const what of [
    { definition: { guest: 'osv', machine: 'microvm' } },
    { definition: { guest: 'osv' }, config: { model: 'microvm' } },
  ] as const)
    t.throws(() => plan(what), {
      code: 'KERNEL_INVALID',
      message: 'a guest of type "osv" does not run on microvm',
      hint: 'set the machine to "q35"',
    });
});

t.test('planMachine() refuses a Nanos guest a share on microvm, and no other volume', async (t) => {
  const volumes = (sourceKind: 'directory' | 'file') =>
    planVolumes(
      [{ destination: '/data', source: '/s.img', sourceKind, readOnly: false }],
      'nanos',
      { share: '9p', disk: true },
      1,
    );
  const definition = { guest: 'nanos', disk: 'd.img', machine: 'microvm' };
  t.throws(() => plan({ definition, volumes: volumes('directory') }), {
    code: 'VOLUME_UNSUPPORTED',
    message: 'volume "/data" cannot be given to a guest of type "nanos" on microvm',
    hint: 'set the machine to "q35"',
  });
  t.equal(plan({ definition, volumes: volumes('file') }).disks.length, 2);
  t.equal(
    plan({ definition: { ...definition, machine: 'q35' }, volumes: volumes('directory') }).shares.length,
    1,
  );
  const linux = { ...definition, guest: 'linux' };
  t.equal(plan({ definition: linux, volumes: volumes('directory') }).shares.length, 1);
});

t.test('planMachine() gives a guest type what it usually needs, where nobody says how much', async (t) => {
  const mewz = (what: Case) =>
    plan({ ...what, format: multiboot, definition: { guest: 'mewz', ...what.definition } }).memoryMiB;
  t.equal(mewz({}), 512);
  t.equal(mewz({ config: { memoryMiB: 1024 } }), 1024);
  t.equal(mewz({ definition: { memory: '64MiB' } }), 64);
  t.equal(mewz({ limits: { memoryLimitBytes: 256 * MiB } }), 178);
  t.throws(() => mewz({ definition: { memory: '8MiB' } }), { code: 'MEMORY_INVALID', hint: / 16 MiB: / });
  t.throws(() => plan({ definition: { guest: 'nanos', disk: 'd.img', memory: '64MiB' } }), {
    code: 'MEMORY_INVALID',
    message: '64 MiB of memory is too little for the guest',
    hint: / 96 MiB: /,
  });
});

t.test('planMachine() plans memory for the whole machine', async (t) => {
  const limits = { memoryLimitBytes: 256 * MiB };
  t.match(plan({ limits }), { memoryMiB: 178, vmmMemory: { overheadMiB: 78 } });
  const disk = ['a.img', 'b.img'];
  t.match(plan({ limits, definition: { cpus: 3, disk } }), {
    memoryMiB: 174,
    vmmMemory: { overheadMiB: 82 },
  });
  t.throws(() => plan({ limits, loadedBytes: 200 * MiB }), { code: 'MEMORY_INVALID' });
});

t.test('planMachine() gives a guest the processors that it can keep busy', async (t) => {
  const cases: readonly [
    cpus: number | undefined,
    quota: number | undefined,
    cpuset: number | undefined,
    expected: number,
  ][] = [
    [undefined, undefined, undefined, 1],
    [undefined, 0.25, undefined, 1],
    [undefined, 1, undefined, 1],
    [undefined, 1.5, undefined, 2],
    [undefined, 4, undefined, 4],
    [undefined, undefined, 3, 3],
    [undefined, 1.5, 3, 2],
    [undefined, 4, 3, 3],
    [undefined, 1000, undefined, 255],
    [2, 4, undefined, 2],
    [4, 0.5, undefined, 1],
    [4, undefined, 2, 2],
    [4, undefined, undefined, 4],
  ];
  for (const [cpus, cpuQuota, cpusetSize, expected] of cases) {
    const definition = cpus === undefined ? {} : { cpus };
    const planned = plan({ definition, limits: { cpuQuota, cpusetSize } });
    t.equal(planned.cpus, expected, `${cpus}, quota ${cpuQuota}, ${cpusetSize} CPUs`);
  }
});
