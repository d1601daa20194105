import type { AcceleratorMode } from './accelerator.ts';
import type { MachineModel } from './definition.ts';
import type { MemoryLimitMode } from './memory-plan.ts';
import type { NetworkMode } from './network/types.ts';

/** What the administrator decides, checked. It is one value for all containers of the host. */
export interface Config {
  /** Where crun is; undefined: searched for. */
  readonly crun: string | undefined;
  /** The directory of the containers' records; undefined: the one that fits the user. */
  readonly stateDir: string | undefined;
  /** Directories of named unikernels, in the order in which they are searched. */
  readonly registries: readonly string[];
  /** The host's directories that the vm section of a specification may name files in. */
  readonly vmDirectories: readonly string[];
  /** Where the overlays of images' disks are; undefined: the directory that fits the user. */
  readonly overlayDir: string | undefined;
  /** Whether SERVICE_NAME in a container's environment names a unikernel. */
  readonly serviceName: boolean;
  /** Where the debug log goes; undefined: nowhere. */
  readonly logFile: string | undefined;
  readonly logLevel: LogLevel;
  readonly vmm: {
    /** Where QEMU is; undefined: searched for. */
    readonly qemu: string | undefined;
    /** Where virtiofsd is; undefined: searched for, where a unikernel needs it. */
    readonly virtiofsd: string | undefined;
    /** Where passt is; undefined: searched for, where a guest may be joined by it. */
    readonly passt: string | undefined;
    readonly accelerator: AcceleratorMode;
    readonly extraArgs: readonly string[];
    readonly uidBase: number;
    readonly uidCount: number;
    readonly memoryLimit: MemoryLimitMode;
    /** What QEMU itself needs; undefined: what was measured for such a machine. */
    readonly memoryOverheadMiB: number | undefined;
  };
  readonly machine: {
    readonly memoryMiB: number;
    readonly cpus: number;
    readonly model: 'auto' | MachineModel;
    /** Who keeps machines of ours. */
    readonly manager: 'ucrun' | 'systemd';
  };
  readonly network: { readonly mode: NetworkMode };
  readonly stop: { readonly graceMs: number };
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/**
 * The configuration of a host that has no configuration file. It is a value of its own, and not what an empty file
 * means, so that such a host loads neither a parser nor a schema; a test compares the two.
 */
export const defaultConfig: Config = {
  crun: undefined,
  stateDir: undefined,
  registries: ['/var/lib/ucrun/unikernels', '/usr/share/ucrun/unikernels'],
  vmDirectories: [],
  overlayDir: undefined,
  serviceName: true,
  logFile: undefined,
  logLevel: 'info',
  vmm: {
    qemu: undefined,
    virtiofsd: undefined,
    passt: undefined,
    accelerator: 'auto',
    extraArgs: [],
    uidBase: 0x7000_0000,
    uidCount: 0x1_0000,
    memoryLimit: 'within',
    memoryOverheadMiB: undefined,
  },
  machine: { memoryMiB: 128, cpus: 1, model: 'auto', manager: 'ucrun' },
  network: { mode: 'auto' },
  stop: { graceMs: 5000 },
};
