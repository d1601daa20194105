import { RuntimeError } from '../base/runtime-error.ts';
import type { Accelerator } from './accelerator.ts';
import type { Config } from './config-defaults.ts';
import type { MachineModel, UnikernelDefinition } from './definition.ts';
import type { GuestKind } from './guests/guest.ts';
import { guests } from './guests/index.ts';
import type { KernelFormat } from './kernel-format.ts';

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
  readonly cpus: number;
  readonly hasInitrd: boolean;
  readonly accelerator: Accelerator;
  /** Absolute path, the same on the host and in the sandbox. */
  readonly qemu: string;
  readonly extraArgs: readonly string[];
  /** Whether to press the power button before the plug is pulled. */
  readonly powerButton: boolean;
}

export interface MachineRequest {
  readonly definition: UnikernelDefinition;
  readonly format: KernelFormat;
  readonly limits: { readonly memoryLimitBytes: number | undefined; readonly cpuQuota: number | undefined };
  readonly config: Pick<Config, 'vmm' | 'machine'>;
  readonly accelerator: Accelerator;
  readonly qemu: string;
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
  limits,
  config,
  accelerator,
  qemu,
  loadedBytes,
}: MachineRequest): MachinePlan {
  const model =
    definition.model ??
    (config.machine.model === 'auto' ? preferredModel(definition.guest, format) : config.machine.model);
  checkBootable(definition, format, model);
  return {
    guest: definition.guest,
    model,
    bus: model === 'microvm' ? 'mmio' : 'pci',
    // qboot starts PVH and Linux kernels without the second that SeaBIOS takes; multiboot needs SeaBIOS' option ROM.
    firmware: model === 'q35' && format.kind !== 'multiboot-elf' ? 'qboot.rom' : undefined,
    memoryMiB: guestMemoryMiB(
      definition.memoryMiB,
      limits.memoryLimitBytes,
      config.machine.memoryMiB,
      loadedBytes,
    ),
    cpus:
      definition.cpus ?? (limits.cpuQuota === undefined ? config.machine.cpus : Math.ceil(limits.cpuQuota)),
    hasInitrd: definition.initrd !== undefined,
    accelerator,
    qemu,
    extraArgs: config.vmm.extraArgs,
    powerButton: definition.powerButton ?? guests[definition.guest].powerButton,
  };
}

/** The sandbox's memory limit: the guest's part is the engine's limit, the monitor's comes on top. */
export function sandboxMemoryLimit(engineLimitBytes: number, overheadMiB: number): number {
  return engineLimitBytes + overheadMiB * bytesPerMiB;
}

const bytesPerMiB = 1024 * 1024;
const leastMemoryMiB = 2;

/** microvm has neither PCI nor firmware tables that an ordinary Linux could do without being built for it. */
function preferredModel(guest: GuestKind, format: KernelFormat): MachineModel {
  return guest === 'raw' && format.kind === 'pvh-elf' ? 'microvm' : 'q35';
}

function checkBootable(definition: UnikernelDefinition, format: KernelFormat, model: MachineModel): void {
  if (definition.guest === 'raw' && format.kind === 'bzimage') {
    throw new RuntimeError(
      'KERNEL_INVALID',
      `kernel "${definition.kernel}" is a Linux bzImage, not a raw ELF`,
      {
        hint: 'set the guest type to "linux"',
      },
    );
  }
  if (definition.guest === 'linux' && format.kind === 'multiboot-elf') {
    throw new RuntimeError(
      'KERNEL_INVALID',
      `kernel "${definition.kernel}" is a multiboot ELF, not a Linux kernel`,
      {
        hint: 'set the guest type to "raw"',
      },
    );
  }
  if (format.kind === 'multiboot-elf' && (model === 'microvm' || format.bits === 64)) {
    const why =
      format.bits === 64 ? 'QEMU loads only 32-bit multiboot files' : 'microvm cannot boot multiboot files';
    throw new RuntimeError('KERNEL_INVALID', `kernel "${definition.kernel}" cannot be booted: ${why}`, {
      hint:
        format.bits === 64 ? 'link it as a 32-bit ELF, or give it a PVH note' : 'set the machine to "q35"',
    });
  }
}

/** What the definition says, but never more than the container's limit; if it says nothing, all of the limit; else the default. */
function guestMemoryMiB(
  definedMiB: number | undefined,
  limitBytes: number | undefined,
  defaultMiB: number,
  loadedBytes: number,
): number {
  const limitMiB = limitBytes === undefined ? undefined : Math.floor(limitBytes / bytesPerMiB);
  const memoryMiB = Math.min(definedMiB ?? limitMiB ?? defaultMiB, limitMiB ?? Number.POSITIVE_INFINITY);
  const neededMiB = Math.max(leastMemoryMiB, Math.ceil(loadedBytes / bytesPerMiB));
  if (memoryMiB >= neededMiB) return memoryMiB;
  throw new RuntimeError('MEMORY_INVALID', `${memoryMiB} MiB of memory is too little for the guest`, {
    hint: `with its files it needs at least ${neededMiB} MiB: raise the container's memory limit or the unikernel's "memory"`,
  });
}
