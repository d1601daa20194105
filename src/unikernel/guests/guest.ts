import type { MachineModel } from '../definition.ts';
import type { HostEntry } from '../hosts-file.ts';
import type { KernelFormat } from '../kernel-format.ts';
import type { MicrovmParts } from '../microvm.ts';
import type { GuestNetwork, NetworkAbilities } from '../network/types.ts';
import type { GuestVolume } from '../volumes.ts';

export const guestKinds = ['raw', 'linux', 'unikraft', 'nanos', 'mirage', 'hermit', 'mewz', 'osv'] as const;
export type GuestKind = (typeof guestKinds)[number];

/**
 * Where the guest's root file system comes from: the memory disk beside the kernel, the first disk, or the container's own root
 * file system, which the guest mounts over 9p. `none`: it brings what it needs in its kernel.
 */
export type GuestRoot = 'none' | 'initrd' | 'disk' | '9p';

/** How a guest reaches a directory of the host: QEMU serves it itself over 9p, or virtiofsd beside it over virtiofs. */
export type ShareDriver = '9p' | 'virtiofs';
export const shareDrivers: readonly ShareDriver[] = ['9p', 'virtiofs'];

/** What a guest's command line is made of. All of it may come from an image or a user: nothing is trusted. */
export interface GuestInput {
  /** The command line, or its template, as the unikernel's definition has it. */
  readonly cmdline: string;
  /** The version of the guest's system, as its definition has it or its kernel says; undefined: not known. */
  readonly version: string | undefined;
  /** Arguments for the program in the guest. */
  readonly args: readonly string[];
  /** `K=V`, only what the image or the user set. */
  readonly env: readonly string[];
  /** The program's working directory; undefined where it is the root. */
  readonly workingDirectory: string | undefined;
  readonly hostname: string | undefined;
  readonly root: GuestRoot;
  /** What the container has as volumes, in the order in which the machine has their devices. */
  readonly volumes: readonly GuestVolume[];
  /** Where the container has a file system in memory of its user's, absolute; what is in it is gone with the guest. */
  readonly tmpfs?: readonly string[];
  /** undefined: the guest has no network card. */
  readonly network: GuestNetwork | undefined;
  /** The first port that the guest is to serve. */
  readonly port: number | undefined;
}

/** What the values mean that a guest writes to the exit port, 0x501, by a custom of its own; any other is its exit status. */
export type ExitValues = Readonly<Record<number, 'ended' | 'crashed'>>;

/** What ucrun has to know of a guest type. Pure; a new type does not compile until the table has it. */
export interface GuestSupport {
  /** Whether such a guest usually ends by itself when its power button is pressed. */
  readonly powerButton: boolean;
  readonly exitValues: ExitValues;
  /** What its kernel may be, the usual one first. */
  readonly formats: readonly KernelFormat['kind'][];
  /** Whether it can be started from its first disk, without a kernel beside it. */
  readonly bootsFromDisk: boolean;
  /** What QEMU's microvm has for it; undefined: it does not run there. */
  readonly microvm: MicrovmParts | undefined;
  /** The machine that suits it best, where nobody says which. */
  preferredModel(format: KernelFormat | undefined): MachineModel;
  /**
   * Whether its drivers are to have virtio devices of version 1 alone. Beside the older interface each has ports: qboot gives the fifth
   * device on PCI those of the exit protocol.
   */
  readonly prefersModernVirtio: boolean;
  /** What it usually needs, where nobody says how much memory it gets; undefined: no more than the configuration gives. */
  readonly defaultMemoryMiB: number | undefined;
  /** With less it does not start, whatever it is to run. */
  readonly leastMemoryMiB: number;
  /** Whether it is given a random number generator. */
  readonly hasRandomDevice: boolean;
  /** Whether it has a driver that gives memory back while it runs, and so is given the device. */
  readonly hasBalloon: boolean;
  /** Where its root file system can be, beside `none`. */
  readonly roots: readonly Exclude<GuestRoot, 'none'>[];
  /** How it can have a volume: as a directory, by one of these, the usual one first; as a disk. */
  readonly volumes: { readonly shares: readonly ShareDriver[]; readonly disk: boolean };
  /** What it can do with its network. */
  readonly network: NetworkAbilities;
  /** Whether a guest with such a command line, or template of one, is told its address; always if left out. */
  isToldAddress?(cmdline: string): boolean;
  /** Whether it can be told the domains that are tried behind a name. */
  readonly takesSearchDomains?: boolean;
  /** Whether the first word of an image's command is but the program's name, which the guest is not told. */
  readonly dropsProgramName: boolean;
  /** Where the guest reads what it is told: from its command line, or as Nanos does, from its own disk. */
  readonly settingsIn: 'command-line' | 'nanos-image';
  /**
   * The whole text for QEMU's `-append`.
   * @throws RuntimeError GUEST_UNSUPPORTED for what cannot be said to this guest, VOLUME_UNSUPPORTED for a volume that it cannot mount
   */
  commandLine(input: GuestInput): string;
  /**
   * Of the names of others those that its command line has room for; undefined: it cannot be told any.
   * @throws RuntimeError as commandLine() does, which it is without them
   */
  fittingHosts?(input: GuestInput, hosts: readonly HostEntry[]): readonly HostEntry[];
}
