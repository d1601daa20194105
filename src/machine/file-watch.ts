import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import { exists } from '../host/files.ts';
import { Allowance } from './allowance.ts';
import type { MachineFiles } from './places.ts';

/** How often a QEMU may wake us at once, and by the second; the files that it makes as it starts are a dozen. */
const wakesAtOnce = 30;
const wakesPerSecond = 2;

/**
 * Notices that something has been written down of a machine. A guest that writes to its console wakes nobody, and a broken-out QEMU that
 * writes to its own directory only so often.
 */
export class FileWatch {
  readonly #store: string;
  readonly #notice: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #allowances = new Map<string, Allowance>();

  /** @param notice called for each change, many at once as may be */
  constructor(store: string, notice: () => void) {
    this.#store = store;
    this.#notice = notice;
  }

  /**
   * Look at what there is now.
   * @param machines those that are known
   * @returns whether all of it is seen at once
   */
  renew(machines: readonly MachineFiles[]): boolean {
    const store = this.#nearest();
    const own = machines.map(({ changes }) => changes);
    const hostile = machines.map(({ qemu }) => qemu).filter(exists);
    const wanted = new Set([store, ...own, ...hostile]);
    for (const path of this.#watchers.keys()) if (!wanted.has(path)) this.#drop(path);
    for (const path of this.#allowances.keys()) if (!wanted.has(path)) this.#allowances.delete(path);
    // Locks come and go there all the time.
    const seen = [this.#add(store, (name) => name?.startsWith('.') !== true)];
    for (const path of own) seen.push(this.#add(path, () => true, true));
    for (const path of hostile) seen.push(this.#isAllowed(path) && this.#add(path, () => true, true));
    return seen.every(Boolean);
  }

  close(): void {
    for (const path of this.#watchers.keys()) this.#drop(path);
  }

  /** The store, or what is there of the way to it. */
  #nearest(): string {
    let path = this.#store;
    while (!exists(path)) path = dirname(path);
    return path;
  }

  #isAllowed(path: string): boolean {
    if (this.#watchers.has(path)) return true;
    const allowance = this.#allowances.get(path) ?? new Allowance(wakesAtOnce, wakesPerSecond);
    this.#allowances.set(path, allowance);
    return allowance.take();
  }

  /** @param isOnce whether it is looked at only until something happens: it may be another file by then, or somebody hostile at work */
  #add(path: string, concerns: (name: string | null) => boolean, isOnce = false): boolean {
    if (this.#watchers.has(path)) return true;
    try {
      const watcher = watch(path, (_, name) => {
        if (!concerns(name)) return;
        if (isOnce) this.#drop(path);
        this.#notice();
      });
      watcher.on('error', () => {
        this.#drop(path);
        this.#notice();
      });
      this.#watchers.set(path, watcher);
      return true;
    } catch {
      // It has gone, or the kernel has no watch left for us.
      return false;
    }
  }

  #drop(path: string): void {
    this.#watchers.get(path)?.close();
    this.#watchers.delete(path);
  }
}
