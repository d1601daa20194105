import { RuntimeError } from '../base/runtime-error.ts';
import { readTextIfThere, writeFileAtomic } from '../host/files.ts';
import type { GuestInput } from '../unikernel/guests/guest.ts';
import type { MachinePlan } from '../unikernel/machine.ts';
import type { NetworkMode, NetworkPlan, TapCard } from '../unikernel/network/types.ts';
import type { PortMapping } from '../unikernel/ports.ts';
import type { Call } from './container.ts';
import type { StatePaths } from './state-dir.ts';

/** Raised when a record's form changes, so that a later ucrun knows what it reads. */
export const recordVersion = 2;

/** What ucrun remembers of a unikernel container between the engine's calls. */
export interface ContainerRecord {
  readonly version: typeof recordVersion;
  readonly id: string;
  /** The engine's bundle and root file system, absolute, for `state`. */
  readonly bundle: string;
  readonly rootfs: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** The unikernel's name in the registry; undefined if the image or the specification brought it. */
  readonly unikernel?: string | undefined;
  readonly machine: MachinePlan;
  readonly graceMs: number;
  /** Whether it has a scope of systemd's, which stops it by another signal than the engine does; undefined if an older ucrun made it. */
  readonly hasScope?: boolean | undefined;
  /** What the guest's command line is made of, but for its network. */
  readonly guest: Omit<GuestInput, 'network'>;
  readonly network: NetworkIntent;
  /** The monitor's user, inside the sandbox and in ucrun's own user namespace. */
  readonly uid: { readonly container: number; readonly host: number };
  /** Its group, inside the sandbox. */
  readonly gid: number;
  /** The host paths of its disks' overlays, and of the images under them. */
  readonly disks: readonly { readonly base: string; readonly overlay: string }[];
  /** Where crun writes the pid of the sandbox's first process. */
  readonly pidFile: string;
  /** The sandbox's first process; undefined until start. */
  readonly init: { readonly pid: number; readonly startTime: string } | undefined;
  /** What the network became; undefined until start, and of containers that an older ucrun started. */
  readonly joined: NetworkPlan | undefined;
  /** What was set up in the network namespace, and is to be removed from it; undefined until start. */
  readonly taps: { readonly namespaceId: string; readonly cards: readonly TapCard[] } | undefined;
}

/** What is known of the network at create; the rest is read at start. */
export interface NetworkIntent {
  readonly mode: NetworkMode;
  readonly isHostNetwork: boolean;
  /** The namespace's path where the engine gave one. It outlives the container, as a pod's does. */
  readonly namespacePath: string | undefined;
  /** The namespace is another container's, too. */
  readonly isShared: boolean;
  readonly isRootless: boolean;
  readonly hasTun: boolean;
  readonly hasVhost: boolean;
  /** The passt that is to join the guest, an absolute path; undefined: another way was asked for. */
  readonly passt: string | undefined;
  readonly ports: readonly PortMapping[];
  /** Whether the guest is told its address; undefined if an older ucrun made the container. */
  readonly isToldAddress?: boolean | undefined;
  /** The host file that is the container's /etc/resolv.conf. */
  readonly resolvConf: string | undefined;
  /** The one that is its /etc/hosts, where the guest is to be told of it; undefined also of containers that an older ucrun made. */
  readonly hostsFile?: string | undefined;
}

/** The record's fields that create does not have to fill. */
export function newRecord(
  fields: Omit<ContainerRecord, 'version' | 'init' | 'joined' | 'taps'>,
): ContainerRecord {
  return { version: recordVersion, ...fields, init: undefined, joined: undefined, taps: undefined };
}

/** Keep a record. It may hold the container's environment, so only its owner can read it. */
export function writeRecord(paths: StatePaths, record: ContainerRecord): void {
  writeFileAtomic(paths.record, `${JSON.stringify(record, undefined, 2)}\n`, 0o600);
}

/**
 * The record of a container; undefined if there is none, because create did not come so far.
 * @throws RuntimeError STATE_BROKEN
 */
export function readRecord(paths: StatePaths): ContainerRecord | undefined {
  const text = readTextIfThere(paths.record);
  if (text === undefined) return undefined;
  let record: ContainerRecord | null;
  try {
    record = JSON.parse(text) as ContainerRecord | null;
  } catch (cause) {
    throw brokenRecord(paths, 'is not JSON', cause);
  }
  if (record?.version !== recordVersion)
    throw brokenRecord(paths, `has version ${record?.version}, not ${recordVersion}`);
  return record;
}

/** The same, but a record that cannot be read is none: it must not keep a container from being removed. */
export function readWholeRecord({
  paths,
  log,
}: Pick<Call, 'log'> & { readonly paths: StatePaths }): ContainerRecord | undefined {
  try {
    return readRecord(paths);
  } catch (error) {
    log('record ignored', { error: String(error) });
    return undefined;
  }
}

function brokenRecord(paths: StatePaths, what: string, cause?: unknown): RuntimeError {
  return new RuntimeError('STATE_BROKEN', `the container's record "${paths.record}" ${what}`, {
    cause,
    hint: 'remove the container with "delete --force"',
  });
}
