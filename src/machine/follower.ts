import { Allowance } from './allowance.ts';
import { type Change, ChangesTail, qemuChanges } from './changes.ts';
import type { MachineFiles } from './places.ts';
import { readRunState } from './run-state.ts';
import type { Machine, MachineEvent, MachineStatus } from './service.ts';

/** What a QEMU may say of its machine in one go, and by the second: nobody pauses one more often by hand. */
const qemuChangesAtOnce = 50;
const qemuChangesPerSecond = 2;

/**
 * Follows one machine. How its state has changed is written down as it happens, so nothing is missed however late it is looked at;
 * what is not, such as a service manager's pause between two runs, is seen by what the machine is like now.
 */
export class Follower {
  readonly #files: MachineFiles;
  readonly #tail: ChangesTail;
  readonly #allowance = new Allowance(qemuChangesAtOnce, qemuChangesPerSecond);
  #seen: ReadonlySet<string> = new Set();
  #noted: Change[] = [];
  #now: Machine | undefined;
  #shown: Machine | undefined;
  #latest = 0;

  /** @param fromNow whether what has happened so far is of no interest */
  constructor(files: MachineFiles, fromNow: boolean) {
    this.#files = files;
    this.#tail = new ChangesTail(files.changes, fromNow);
    if (fromNow) this.#newOf(this.#qemuChanges());
  }

  /** Take note of what was written down since the last time. @returns whether there was anything */
  read(): boolean {
    // QEMU's own are read first: when its run ends they become some of the others, and then are known.
    const fresh = this.#newOf(this.#qemuChanges());
    const written = this.#tail
      .read()
      .filter((change) => change.qemuTime === undefined || this.#isNew(change));
    this.#noted.push(...fresh, ...written);
    return fresh.length + written.length > 0;
  }

  /** Take note of what the machine is like. */
  see(now: Machine): void {
    this.#now = now;
  }

  /**
   * What there is to tell.
   * @param isSettled whether nothing was written down since it was seen
   */
  follow(isSettled: boolean): readonly MachineEvent[] {
    const now = this.#now;
    if (now === undefined) return [];
    const noted = this.#noted.toSorted((a, b) => a.time.localeCompare(b.time, 'en'));
    this.#noted = [];
    const events = this.#isAnother(now) ? [this.#showRemoved(now.name)] : [];
    if (this.#shown === undefined && noted.length === 0) events.push(this.#show(now));
    for (const change of noted) {
      if (change.status === undefined || change.time < now.created) continue;
      if (!isNext(this.#shown, change.started, change.status)) continue;
      if (this.#shown?.status === change.status && this.#shown.started === change.started) continue;
      events.push(this.#show(changed(this.#shown, now, change), change.time));
    }
    if (isSettled && isNext(this.#shown, now.started, now.status) && hasChanged(this.#shown, now))
      events.push(this.#show(now, this.#sinceOf(now)));
    return events;
  }

  /** Whether whoever keeps the machine has not come as far as what was written down: it is to be asked again. */
  isAhead(): boolean {
    const now = this.#now;
    return now !== undefined && !isNext(this.#shown, now.started, now.status);
  }

  /** The last that there is to tell of a machine that is gone. */
  end(name: string): readonly MachineEvent[] {
    this.read();
    const events = this.follow(false);
    this.close();
    return this.#shown === undefined ? [] : [...events, this.#showRemoved(name)];
  }

  close(): void {
    this.#tail.close();
  }

  #qemuChanges(): readonly Change[] {
    const started = readRunState(this.#files)?.started;
    return started === undefined ? [] : qemuChanges(this.#files, started);
  }

  #newOf(changes: readonly Change[]): readonly Change[] {
    const fresh = changes.filter((change) => this.#isNew(change));
    if (changes.length > 0) this.#seen = new Set(changes.map(keyOf));
    return fresh;
  }

  #isNew(change: Change): boolean {
    return !this.#seen.has(keyOf(change)) && this.#allowance.take();
  }

  /** Whether it has been removed and made anew under its name. */
  #isAnother(now: Machine): boolean {
    const before = this.#shown;
    if (before === undefined || before.status === 'broken' || now.status === 'broken') return false;
    return before.created !== now.created;
  }

  #showRemoved(name: string): MachineEvent {
    this.#shown = undefined;
    return { time: this.#time(), name, status: 'removed', machine: undefined };
  }

  #show(machine: Machine, time?: string): MachineEvent {
    this.#shown = machine;
    return { time: this.#time(time), name: machine.name, status: machine.status, machine };
  }

  /** When it came to its state, if that is known; whoever keeps it does not know of a pause. */
  #sinceOf({ status, ended, since }: Machine): string | undefined {
    const time = status === 'exited' ? (ended ?? since) : since;
    const isTold = this.#shown !== undefined && this.#shown.status !== status && time !== undefined;
    return isTold && Date.parse(time) > this.#latest ? time : undefined;
  }

  /** Time does not go backwards, whatever QEMU says. */
  #time(time?: string): string {
    this.#latest = Math.max(this.#latest, time === undefined ? Date.now() : Date.parse(time));
    return new Date(this.#latest).toISOString();
  }
}

function keyOf({ started, qemuTime, status }: Change): string {
  return `${started} ${qemuTime} ${status}`;
}

/** How far a run is in a state. */
const progress: Readonly<Record<MachineStatus, number>> = {
  starting: 1,
  running: 2,
  paused: 2,
  stopping: 3,
  exited: 4,
  restarting: 4,
  waiting: 4,
  created: 4,
  broken: 4,
};

/** Whether a state can come after what was shown: a run does not go back, and a run before it does not come again. */
function isNext(shown: Machine | undefined, started: string | undefined, status: MachineStatus): boolean {
  if (shown === undefined || status === 'broken' || shown.status === 'broken') return true;
  if (shown.started === started) return progress[status] >= progress[shown.status];
  return shown.started === undefined || (started !== undefined && started > shown.started);
}

/** A machine as it was when it changed, by what it was like before and is like now. */
function changed(
  before: Machine | undefined,
  now: Machine,
  { time, started, status, exitStatus, problem }: Change,
): Machine {
  const [pid] = [now, before].flatMap((machine) =>
    machine?.started === started && machine?.pid !== undefined ? [machine.pid] : [],
  );
  const isOver = status === 'exited' || status === 'restarting';
  return {
    ...now,
    status: status ?? now.status,
    started,
    exitStatus: isOver ? (exitStatus ?? now.exitStatus) : undefined,
    problem: isOver ? (problem ?? now.problem) : undefined,
    ended: isOver ? (status === 'exited' ? time : now.ended) : undefined,
    pid: isOver || status === 'created' || status === 'starting' ? undefined : pid,
  };
}

/** QEMU's process is told of with the state that it brings. */
function hasChanged(before: Machine | undefined, now: Machine): boolean {
  const shown = ({ status, exitStatus, started, ended, isEnabled, memoryMiB, cpus, ports }: Machine) =>
    JSON.stringify([status, exitStatus, started, ended, isEnabled, memoryMiB, cpus, ports]);
  if (before === undefined || shown(before) !== shown(now)) return true;
  return now.pid !== before.pid && (now.status === 'running' || now.status === 'paused');
}
