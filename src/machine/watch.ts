import { type FSWatcher, watch as watchFiles } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { listDirectory } from '../host/files.ts';
import type { MachinePlaces } from './places.ts';
import type { Machine, MachineEvent } from './service.ts';

/** What happens without a file of ours being written is seen so late: a service manager's pause between two starts. */
const tickMs = 1000;
const settleMs = 30;

/**
 * The changes of machines' states. Everything that happens to a machine is written down by the ucrun that does it, or that is called when
 * it ends, so files are what is watched: no connection to a service manager that could be lost when that starts anew.
 */
export async function* watchMachines(
  places: MachinePlaces,
  list: () => Promise<readonly Machine[]>,
  signal: AbortSignal,
): AsyncIterable<MachineEvent> {
  const files = new DirectoryWatch(places);
  try {
    let before = new Map<string, Machine>();
    while (!signal.aborted) {
      files.renew();
      const now = new Map((await list()).map((machine) => [machine.name, machine]));
      const time = new Date().toISOString();
      for (const [name, machine] of now) {
        const earlier = before.get(name);
        if (earlier !== undefined && !hasChanged(earlier, machine)) continue;
        yield { time, name, status: machine.status, machine };
      }
      for (const name of before.keys())
        if (!now.has(name)) yield { time, name, status: 'removed', machine: undefined };
      before = now;
      await files.next(signal);
    }
  } finally {
    files.close();
  }
}

function hasChanged(before: Machine, now: Machine): boolean {
  const shown = ({ status, pid, exitStatus, started, ended, isEnabled, memoryMiB, cpus, ports }: Machine) =>
    JSON.stringify([status, pid, exitStatus, started, ended, isEnabled, memoryMiB, cpus, ports]);
  return shown(before) !== shown(now);
}

/** Notices changes in the directories of the machines, each of which may come and go. */
class DirectoryWatch {
  readonly #places: MachinePlaces;
  readonly #watchers = new Map<string, FSWatcher>();
  #wake: () => void = () => {};
  #isDue = false;

  constructor(places: MachinePlaces) {
    this.#places = places;
  }

  renew(): void {
    const { store, run } = this.#places;
    const running = listDirectory(run).flatMap((name) => [`${run}/${name}`, `${run}/${name}/qemu`]);
    const kept = listDirectory(store).map((name) => `${store}/${name}`);
    const wanted = new Set([store, run, ...kept, ...running]);
    for (const [path, watcher] of this.#watchers) {
      if (wanted.has(path)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
    for (const path of wanted) {
      if (this.#watchers.has(path)) continue;
      try {
        const watcher = watchFiles(path, () => this.#notice());
        watcher.on('error', () => this.#drop(path));
        this.#watchers.set(path, watcher);
      } catch {
        // It is gone, or nobody's to look into: the next tick sees what becomes of it.
      }
    }
  }

  /** Wait for the next change, or a while. */
  async next(signal: AbortSignal): Promise<void> {
    if (!this.#isDue) {
      const timer = new AbortController();
      const changed = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const both = AbortSignal.any([signal, timer.signal]);
      await Promise.race([changed, delay(tickMs, undefined, { signal: both }).catch(() => {})]);
      timer.abort();
    }
    this.#isDue = false;
    // Changes come in groups.
    await delay(settleMs, undefined, { signal }).catch(() => {});
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
  }

  #notice(): void {
    this.#isDue = true;
    this.#wake();
  }

  #drop(path: string): void {
    this.#watchers.get(path)?.close();
    this.#watchers.delete(path);
    this.#notice();
  }
}
