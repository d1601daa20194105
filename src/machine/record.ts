import { RuntimeError } from '../base/runtime-error.ts';
import { type GuestKind, guestKinds } from '../unikernel/guests/guest.ts';
import type { BridgeCard } from '../unikernel/network/bridge-plan.ts';
import type { PortMapping } from '../unikernel/ports.ts';

/** Raised when the form changes; {@link migrateRecord} then takes the older one along. */
export const recordVersion = 1;

/** Who keeps a machine: QEMU alone, or systemd. */
export type ManagerKind = 'ucrun' | 'systemd';

/** Where a machine's unikernel is: in the host's registry by its name, or kept with the machine. */
export type MachineSource =
  | { readonly kind: 'registry'; readonly name: string }
  | { readonly kind: 'own'; readonly from: string };

export type RestartPolicy = 'no' | 'on-failure' | 'always';

export interface MachineVolume {
  /** Absolute. */
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
}

/** How a machine is joined to the network: behind QEMU's own stack, not at all, or as a station on bridges of the host's. */
export type MachineNetwork =
  | { readonly kind: 'user' | 'none' }
  | {
      readonly kind: 'bridge';
      readonly cards: readonly BridgeCard[];
      /** undefined: those of the host. */
      readonly nameServers: readonly string[] | undefined;
    };

/** What its owner wants of a machine. */
export interface MachineSettings {
  /** The guest's memory; undefined: what its unikernel says. */
  readonly memoryMiB: number | undefined;
  /** Processors; a fraction is a limit of time. undefined: what its unikernel says. */
  readonly cpus: number | undefined;
  /** undefined: those of its unikernel. */
  readonly ports: readonly PortMapping[] | undefined;
  /** `K=V`. */
  readonly env: readonly string[];
  readonly args: readonly string[];
  readonly kernelArgs: readonly string[];
  readonly volumes: readonly MachineVolume[];
  readonly network: MachineNetwork;
  readonly hostname: string | undefined;
  /** Whether KVM may be used. */
  readonly acceleration: boolean;
  readonly autoRemove: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly restart: {
    readonly policy: RestartPolicy;
    /** undefined: as often as it takes. */
    readonly retries: number | undefined;
    readonly delayMs: number;
  };
  /** How long the guest may take to end after its power button was pressed; undefined: as configured. */
  readonly stopTimeoutMs: number | undefined;
  /** Other machines that have to be started first, and those without which it does not run. */
  readonly after: readonly string[];
  readonly requires: readonly string[];
  /** The guest's TCP port that has to answer before the machine counts as started. */
  readonly readyPort: number | undefined;
  /** Started by the first connection to its port. */
  readonly activation:
    | {
        /** undefined: it then stays. */
        readonly idleTimeoutMs: number | undefined;
        /** The port of the loopback interface that QEMU really listens at. */
        readonly innerPort: number;
      }
    | undefined;
}

/** How a machine ran the last time. Times are ISO 8601. */
export interface LastRun {
  readonly started: string;
  /** undefined: it runs, or nobody saw its end. */
  readonly ended: string | undefined;
  /** The guest's exit status. */
  readonly exitStatus: number | undefined;
  /** What there was to say of its end, or why it could not be started. */
  readonly problem: string | undefined;
  /** How often it was started again without anybody asking. */
  readonly restarts: number;
}

/** What ucrun keeps of a machine. It may hold secrets of its environment. */
export interface MachineRecord {
  readonly version: typeof recordVersion;
  readonly name: string;
  /** ISO 8601. */
  readonly created: string;
  readonly manager: ManagerKind;
  readonly source: MachineSource;
  readonly settings: MachineSettings;
  /** As planned when it was made: for lists and limits, without looking at its files again. */
  readonly plan: PlannedSizes;
  /** What its unit allows a machine that runs with more memory than planned, in MiB, until it is started again; undefined: what is planned. */
  readonly limitMiB?: number | undefined;
  readonly lastRun: LastRun | undefined;
}

export interface PlannedSizes {
  readonly guest: GuestKind;
  readonly memoryMiB: number;
  /** What QEMU takes besides. */
  readonly overheadMiB: number;
  readonly cpus: number;
  readonly ports: readonly PortMapping[];
  readonly powerButton: boolean;
  readonly usesKvm: boolean;
}

/**
 * A machine's record out of its file, whichever version wrote it.
 * @param source the file's path, for messages
 * @throws RuntimeError MACHINE_INVALID
 */
export function parseRecord(text: string, source: string): MachineRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw broken(source, 'is not JSON', cause);
  }
  return migrateRecord(value, source);
}

/** Takes a record of an older version to the present one, a version at a time. @throws RuntimeError MACHINE_INVALID */
export function migrateRecord(value: unknown, source: string): MachineRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw broken(source, 'is no JSON object');
  let record = value as Readonly<Record<string, unknown>>;
  let { version } = record;
  if (typeof version !== 'number' || !Number.isInteger(version)) throw broken(source, 'has no version');
  if (version > recordVersion) {
    throw new RuntimeError(
      'MACHINE_INVALID',
      `the machine's record "${source}" has version ${version}; this ucrun knows up to ${recordVersion}`,
      { hint: 'use the ucrun that wrote it, or a later one' },
    );
  }
  while (version !== recordVersion) {
    const step = migrations.get(version as number);
    if (step === undefined) throw broken(source, `has version ${String(version)}, which there never was`);
    record = { ...step(record), version: (version as number) + 1 };
    version = record.version;
  }
  const { name, plan, settings } = record as Partial<MachineRecord>;
  const isWhole =
    typeof name === 'string' &&
    typeof settings === 'object' &&
    typeof plan === 'object' &&
    (guestKinds as readonly unknown[]).includes(plan?.guest);
  if (!isWhole) throw broken(source, 'is not whole');
  return record as unknown as MachineRecord;
}

type Migration = (record: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;

/** From a version to the next. Version 0 was that of trials, in which a machine had no sizes of its own to be listed with. */
const migrations: ReadonlyMap<number, Migration> = new Map([
  [
    0,
    (record) => ({
      manager: 'ucrun',
      lastRun: undefined,
      ...record,
      plan: record.plan ?? {
        guest: record.guest,
        memoryMiB: 0,
        overheadMiB: 0,
        cpus: 1,
        ports: [],
        powerButton: true,
        usesKvm: false,
      },
    }),
  ],
]);

function broken(source: string, what: string, cause?: unknown): RuntimeError {
  return new RuntimeError('MACHINE_INVALID', `the machine's record "${source}" ${what}`, {
    cause,
    hint: 'remove the machine with "ucrun machine rm --force", and create it again',
  });
}
