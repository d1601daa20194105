import type { GuestKind } from '../unikernel/guests/guest.ts';
import type { PortMapping } from '../unikernel/ports.ts';
import { machineAddresses } from './network.ts';
import type { MachineRecord, MachineSettings, MachineSource, ManagerKind } from './record.ts';

/**
 * As containers have it, with what a service manager adds: `starting` until the machine is ready, `restarting` between two runs,
 * `waiting` for a connection that starts it.
 */
export const machineStatuses = [
  'created',
  'starting',
  'running',
  'paused',
  'stopping',
  'restarting',
  'waiting',
  'exited',
  'broken',
] as const;
export type MachineStatus = (typeof machineStatuses)[number];

/** A machine as it is now. */
export interface Machine {
  readonly name: string;
  readonly manager: ManagerKind;
  readonly status: MachineStatus;
  /** The guest's exit status, of one that has ended. */
  readonly exitStatus: number | undefined;
  /** What there was to say of its end. */
  readonly problem: string | undefined;
  /** ISO 8601. */
  readonly created: string;
  readonly started: string | undefined;
  readonly ended: string | undefined;
  /** When its unit came to the state that it is in, if it has one. */
  readonly since?: string | undefined;
  readonly restarts: number;
  /** QEMU's. */
  readonly pid: number | undefined;
  readonly guest: GuestKind | undefined;
  readonly source: MachineSource | undefined;
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly ports: readonly PortMapping[];
  /** Those that its guest is told at which others reach it; empty where it is behind QEMU, or asks its network for one. */
  readonly addresses: readonly string[];
  /** Whether it is started when the host boots. */
  readonly isEnabled: boolean;
  readonly settings: MachineSettings | undefined;
}

/** A machine that is to be made. */
export interface MachineSpec {
  readonly name: string;
  readonly manager: ManagerKind;
  readonly source: MachineSource;
  readonly settings: MachineSettings;
  /** For a unikernel that is kept with the machine: puts it into that registry of its own. */
  readonly fill: ((registry: string) => Promise<void>) | undefined;
}

/** What is to be changed; what is not mentioned stays. */
export type MachineChanges = Partial<
  Pick<MachineSettings, 'memoryMiB' | 'cpus' | 'ports' | 'env' | 'restart' | 'labels'>
>;

/** What a change did at once, and what it does when the machine is started the next time; each a few words. */
export interface UpdateResult {
  readonly now: readonly string[];
  readonly atNextStart: readonly string[];
}

export interface StopOptions {
  /** undefined: the machine's own. */
  readonly timeoutMs?: number | undefined;
}

export interface LogOptions {
  readonly follow: boolean;
  /** Milliseconds since 1970. */
  readonly since: number | undefined;
  readonly until: number | undefined;
  /** Only so many of the last lines; undefined: all. */
  readonly tail: number | undefined;
  readonly signal: AbortSignal;
}

export interface LogLine {
  /** ISO 8601 with microseconds, UTC. */
  readonly time: string;
  readonly text: string;
}

/** A machine that has come to another state, or has been removed. */
export interface MachineEvent {
  /** ISO 8601. */
  readonly time: string;
  readonly name: string;
  readonly status: MachineStatus | 'removed';
  readonly machine: Machine | undefined;
}

/**
 * What can be done with machines, whoever keeps them running. All of it throws RuntimeError MACHINE_UNKNOWN for a name that is none,
 * and MACHINE_STATE for what cannot be done in a machine's state.
 */
export interface MachineService {
  /** Make a machine, which is not started yet. */
  create(spec: MachineSpec): Promise<Machine>;
  /** Start it, and wait until it runs. @throws RuntimeError MACHINE_FAILED if it does not */
  start(name: string): Promise<Machine>;
  /** Hold its guest, which notices nothing. */
  pause(name: string): Promise<Machine>;
  resume(name: string): Promise<Machine>;
  /** Press its power button, and wait until it has ended. One that has ended is no error. */
  stop(name: string, options?: StopOptions): Promise<Machine>;
  /** @param options.force whether a unit that was changed by hand may be overwritten */
  update(
    name: string,
    changes: MachineChanges,
    options?: { readonly force?: boolean },
  ): Promise<UpdateResult>;
  /** Remove one that does not run; with force, any. */
  delete(name: string, options?: { readonly force?: boolean }): Promise<void>;
  get(name: string): Promise<Machine>;
  list(): Promise<readonly Machine[]>;
  /** What happens to machines from now on, until the signal; first each as it is. */
  watch(options: { readonly signal: AbortSignal }): AsyncIterable<MachineEvent>;
  logs(name: string, options: LogOptions): AsyncIterable<LogLine>;
  /** Whether it is started when the host boots. */
  setEnabled(name: string, isEnabled: boolean): Promise<void>;
}

/** A machine's record with what is to be seen of it now. */
export function describeMachine(
  record: MachineRecord,
  now: Pick<Machine, 'status' | 'pid' | 'isEnabled'> & {
    readonly started?: string | undefined;
    readonly exitStatus?: number | undefined;
  },
): Machine {
  const { name, manager, created, source, settings, plan, lastRun } = record;
  const isOver = now.status === 'exited' || now.status === 'waiting' || now.status === 'restarting';
  return {
    name,
    manager,
    status: now.status,
    exitStatus: isOver ? (now.exitStatus ?? lastRun?.exitStatus) : undefined,
    problem: isOver ? lastRun?.problem : undefined,
    created,
    started: now.started ?? lastRun?.started,
    ended: isOver ? lastRun?.ended : undefined,
    restarts: lastRun?.restarts ?? 0,
    pid: now.pid,
    guest: plan.guest,
    source,
    memoryMiB: plan.memoryMiB,
    cpus: plan.cpus,
    ports: plan.ports,
    addresses: machineAddresses(settings.network),
    isEnabled: now.isEnabled,
    settings,
  };
}
