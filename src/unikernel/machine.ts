import { RuntimeError } from '../base/runtime-error.ts';
import type { Accelerator } from './accelerator.ts';
import type { Config } from './config-defaults.ts';
import type { MachineModel, UnikernelDefinition } from './definition.ts';
import { type GuestKind, guestKinds, type ShareDriver } from './guests/guest.ts';
import { guests } from './guests/index.ts';
import type { KernelFormat } from './kernel-format.ts';
import { planMemory, type VmmMemory } from './memory-plan.ts';
import { type DiskFormat, diskFormatOf, type PlannedVolume } from './volumes.ts';

/** How devices are reached: virtio over memory-mapped registers, or over PCI. */
export type DeviceBus = 'mmio' | 'pci';

/** Everything about a virtual machine that is known before its network is. Plain data: it is kept in the record. */
export interface MachinePlan {
  readonly guest: GuestKind;
  readonly model: MachineModel;
  readonly bus: DeviceBus;
  /** The file that QEMU is to start instead of its default firmware; undefined: the default (SeaBIOS). */
  readonly firmware: string | undefined;
  readonly memoryMiB: number;
  readonly vmmMemory: VmmMemory;
  readonly cpus: number;
  /** What QEMU starts: a kernel file, or what the firmware finds on the first disk. */
  readonly boot: 'kernel' | 'disk';
  readonly hasInitrd: boolean;
  /** In their order on the bus. */
  readonly disks: readonly MachineDisk[];
  /** Directories that the guest can mount. */
  readonly shares: readonly MachineShare[];
  /** What serves those over virtiofs, an absolute path like {@link MachinePlan.qemu}; undefined: there are none. */
  readonly virtiofsd: string | undefined;
  /** Whether virtio devices on PCI are without the interface that is older than version 1. */
  readonly modernVirtio: boolean;
  readonly accelerator: Accelerator;
  /** Absolute path, the same on the host and in the sandbox. */
  readonly qemu: string;
  readonly extraArgs: readonly string[];
  /** Whether to press the power button before the plug is pulled. */
  readonly powerButton: boolean;
}

export type MachineDisk =
  | {
      /** What is written to it is kept for the container's life only, beside an image that stays as it is. */
      readonly isOverlay: true;
      /** It outlives the guest, as that of a machine that is started again. */
      readonly isKept?: boolean;
      readonly format: 'qcow2';
      /** The image's. */
      readonly baseFormat: DiskFormat;
      readonly readOnly: boolean;
    }
  | { readonly isOverlay: false; readonly format: DiskFormat; readonly readOnly: boolean };

export interface MachineShare {
  readonly driver: ShareDriver;
  readonly tag: string;
  readonly readOnly: boolean;
}

export interface MachineRequest {
  readonly definition: UnikernelDefinition;
  /** undefined: there is no kernel file, the first disk is booted. */
  readonly format: KernelFormat | undefined;
  /** The container's volumes. */
  readonly volumes: readonly PlannedVolume[];
  /** The share that is the guest's root, if it is the container's root file system. */
  readonly rootShare: MachineShare | undefined;
  readonly limits: {
    readonly memoryLimitBytes: number | undefined;
    readonly cpuQuota: number | undefined;
    readonly cpusetSize: number | undefined;
  };
  readonly config: Pick<Config, 'vmm' | 'machine'>;
  readonly accelerator: Accelerator;
  readonly qemu: string;
  readonly virtiofsd: string | undefined;
  /** Whether passt may join the guest to its network. */
  readonly hasPasst: boolean;
  /** The sizes of the files that QEMU puts into the guest's memory. */
  readonly loadedBytes: number;
}

/**
 * Choose the machine for a unikernel.
 * @throws RuntimeError KERNEL_INVALID for a kernel that the guest type or the machine cannot boot, MEMORY_INVALID
 */
export function planMachine({
  definition,
  format,
  volumes,
  rootShare,
  limits,
  config,
  accelerator,
  qemu,
  virtiofsd,
  hasPasst,
  loadedBytes,
}: MachineRequest): MachinePlan {
  const support = guests[definition.guest];
  const model =
    definition.model ??
    (config.machine.model === 'auto' ? support.preferredModel(format) : config.machine.model);
  checkBootable(definition, format, model);
  checkShares(definition.guest, model, volumes);
  const cpus = planCpus(definition.cpus, limits, config.machine.cpus);
  const disks: readonly MachineDisk[] = [
    ...definition.disks.map(
      ({ file, readOnly }): MachineDisk => ({
        isOverlay: true,
        format: 'qcow2',
        baseFormat: diskFormatOf(file) ?? 'raw',
        readOnly,
      }),
    ),
    ...volumes.flatMap(({ guest, format: diskFormat }): readonly MachineDisk[] =>
      diskFormat === undefined ? [] : [{ isOverlay: false, format: diskFormat, readOnly: guest.readOnly }],
    ),
  ];
  const shares: readonly MachineShare[] = [
    ...(rootShare === undefined ? [] : [rootShare]),
    ...volumes.flatMap(({ guest }) =>
      guest.kind === 'share' ? [{ driver: guest.driver, tag: guest.tag, readOnly: guest.readOnly }] : [],
    ),
  ];
  const memory = planMemory({
    definedMiB: definition.memoryMiB,
    limitBytes: limits.memoryLimitBytes,
    defaultMiB: Math.max(config.machine.memoryMiB, support.defaultMemoryMiB ?? 0),
    leastMiB: support.leastMemoryMiB,
    loadedBytes,
    accelerator: accelerator.kind,
    cpus,
    volumes: disks.length + shares.length,
    fileServers: virtiofsShares({ shares }).length,
    hasPasst,
    config: config.vmm,
  });
  return {
    guest: definition.guest,
    model,
    bus: model === 'microvm' ? 'mmio' : 'pci',
    // qboot starts PVH and Linux kernels without the second that SeaBIOS takes; multiboot needs SeaBIOS' option ROM. A microvm of
    // a later QEMU has SeaBIOS by itself, which without option ROMs finds no kernel (seen with 10.0).
    firmware: format !== undefined && format.kind !== 'multiboot-elf' ? 'qboot.rom' : undefined,
    memoryMiB: memory.guestMiB,
    vmmMemory: memory.vmm,
    cpus,
    boot: format === undefined ? 'disk' : 'kernel',
    hasInitrd: definition.initrd !== undefined,
    disks,
    shares,
    virtiofsd,
    modernVirtio: support.prefersModernVirtio,
    accelerator,
    qemu,
    extraArgs: config.vmm.extraArgs,
    powerButton: definition.powerButton ?? support.powerButton,
  };
}

/** The shares that have a virtiofsd each, which reaches into the guest's memory. */
export function virtiofsShares({ shares }: Pick<MachinePlan, 'shares'>): readonly MachineShare[] {
  return shares.filter(({ driver }) => driver === 'virtiofs');
}

const formatNames: { readonly [K in KernelFormat['kind']]: string } = {
  bzimage: 'a Linux bzImage',
  'pvh-elf': 'an ELF file with a PVH note',
  'multiboot-elf': 'a multiboot ELF file',
};

/** QEMU's q35 and microvm take more only with devices that they are not given. */
const mostCpus = 255;

/** As with memory: what the definition says, but never more than the container may keep busy. */
function planCpus(
  defined: number | undefined,
  { cpuQuota, cpusetSize }: MachineRequest['limits'],
  usual: number,
): number {
  const limits = [cpuQuota === undefined ? undefined : Math.ceil(cpuQuota), cpusetSize];
  const limit = Math.min(...limits.filter((cpus) => cpus !== undefined));
  return Math.min(defined ?? (limit === Number.POSITIVE_INFINITY ? usual : limit), limit, mostCpus);
}

/** @throws RuntimeError KERNEL_INVALID */
function checkBootable(
  { guest, kernel }: UnikernelDefinition,
  format: KernelFormat | undefined,
  model: MachineModel,
): void {
  if (format === undefined) {
    if (model !== 'microvm') return;
    throw new RuntimeError(
      'KERNEL_INVALID',
      `a guest of type "${guest}" cannot be booted from its disk on microvm`,
      {
        hint: 'set the machine to "q35"',
      },
    );
  }
  const { formats } = guests[guest];
  if (!formats.includes(format.kind)) {
    const wanted = formats.map((kind) => formatNames[kind]).join(' or ');
    const others = guestKinds.filter((kind) => guests[kind].formats.includes(format.kind));
    throw new RuntimeError(
      'KERNEL_INVALID',
      `kernel "${kernel}" is ${formatNames[format.kind]}, but a guest of type "${guest}" needs ${wanted}`,
      { hint: `set the guest type to ${others.map((kind) => `"${kind}"`).join(' or ')}` },
    );
  }
  if (format.kind === 'multiboot-elf' && (model === 'microvm' || format.bits === 64)) {
    const why =
      format.bits === 64 ? 'QEMU loads only 32-bit multiboot files' : 'microvm cannot boot multiboot files';
    throw new RuntimeError('KERNEL_INVALID', `kernel "${kernel}" cannot be booted: ${why}`, {
      hint:
        format.bits === 64 ? 'link it as a 32-bit ELF, or give it a PVH note' : 'set the machine to "q35"',
    });
  }
  if (model === 'microvm' && guests[guest].microvm === undefined) {
    throw new RuntimeError('KERNEL_INVALID', `a guest of type "${guest}" does not run on microvm`, {
      hint: 'set the machine to "q35"',
    });
  }
}

/** @throws RuntimeError VOLUME_UNSUPPORTED */
function checkShares(guest: GuestKind, model: MachineModel, volumes: readonly PlannedVolume[]): void {
  const share = volumes.find((volume) => volume.guest.kind === 'share');
  if (model !== 'microvm' || share === undefined || guests[guest].microvm?.shares !== false) return;
  throw new RuntimeError(
    'VOLUME_UNSUPPORTED',
    `volume "${share.guest.path}" cannot be given to a guest of type "${guest}" on microvm`,
    { hint: 'set the machine to "q35"' },
  );
}
