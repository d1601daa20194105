import { setTimeout as delay } from 'node:timers/promises';
import { RuntimeError } from '../base/runtime-error.ts';
import { FileWatch } from './file-watch.ts';
import { Follower } from './follower.ts';
import type { Machine, MachineEvent } from './service.ts';
import type { MachineStore } from './store.ts';

/** What is seen by nothing but a look, such as a wrapper that was killed, is seen so late; */
const tickMs = 10_000;
/** and so late where the kernel or the manager's journal does not tell us. */
const blindTickMs = 1000;
/** Changes come in groups. */
const settleMs = 15;
/** How soon a manager that lags behind what was written down is asked again, at first and at most. */
const askAgainMs = { first: 60, last: 1000 } as const;

/** How often it is looked again at once because something was written down meanwhile. */
const mostLooks = 3;

export interface WatchRequest {
  readonly store: MachineStore;
  /** The machines as they are. */
  readonly list: () => Promise<readonly Machine[]>;
  /**
   * Has the manager of the machines tell of what it does by itself, if they have one. It is called again and again.
   * @returns whether it does
   */
  readonly news: ((notice: () => void, signal: AbortSignal) => boolean) | undefined;
  readonly signal: AbortSignal;
}

/**
 * The changes of machines' states. Everything that happens to a machine is written down by the ucrun that does it, or that is called when
 * it ends, and by the shell beside its QEMU, with its time: so files are what is watched, and there is no connection to a service manager
 * that could be lost when that starts anew.
 */
export async function* watchMachines(request: WatchRequest): AsyncIterable<MachineEvent> {
  const { store } = request;
  const over = new AbortController();
  const signal = AbortSignal.any([request.signal, over.signal]);
  const bell = new Bell();
  const files = new FileWatch(store.places.store, () => bell.ring());
  const followers = new Map(store.names().map((name) => [name, new Follower(store.files(name), true)]));
  let askAgain: number = askAgainMs.first;
  try {
    while (!signal.aborted) {
      const isSeen = files.renew([...followers.keys()].map((name) => store.files(name)));
      const known = followers.size;
      const look = await lookAt(request, followers);
      if (look === undefined) {
        await bell.wait(blindTickMs, signal);
        continue;
      }
      const { machines, isSettled } = look;
      const isNew = followers.size > known;
      const events: MachineEvent[] = [];
      for (const [name, follower] of followers) {
        if (machines.has(name)) {
          events.push(...follower.follow(isSettled));
          continue;
        }
        events.push(...follower.end(name));
        followers.delete(name);
      }
      yield* events.toSorted((a, b) => a.time.localeCompare(b.time, 'en'));
      if (!isSettled || isNew) continue;
      const isKept = [...machines.values()].some(({ manager }) => manager === 'systemd');
      const isTold = !isKept || request.news?.(() => bell.ring(), signal) === true;
      const tick = isSeen && isTold ? tickMs : blindTickMs;
      const isAhead = [...followers.values()].some((follower) => follower.isAhead());
      await bell.wait(isAhead ? askAgain : tick, signal);
      askAgain = isAhead ? Math.min(askAgain * 2, askAgainMs.last) : askAgainMs.first;
    }
  } finally {
    over.abort();
    files.close();
    for (const follower of followers.values()) follower.close();
  }
}

interface Look {
  readonly machines: ReadonlyMap<string, Machine>;
  /** Whether nothing was written down since. */
  readonly isSettled: boolean;
}

/**
 * Read what was written down, and see what the machines are like after it; where still more was, once more.
 * @param followers of those that are known; the others are added
 * @returns undefined if the manager does not say
 */
async function lookAt(request: WatchRequest, followers: Map<string, Follower>): Promise<Look | undefined> {
  for (let looks = 1; ; looks++) {
    for (const follower of followers.values()) follower.read();
    const found = await listed(request);
    if (found === undefined) return undefined;
    const machines = new Map(found.map((machine) => [machine.name, machine]));
    let isSettled = true;
    for (const [name, machine] of machines) {
      const follower = followers.get(name) ?? new Follower(request.store.files(name), false);
      followers.set(name, follower);
      follower.see(machine);
      if (follower.read()) isSettled = false;
    }
    if (isSettled || looks === mostLooks) return { machines, isSettled };
  }
}

/** undefined: a manager that is about to start anew does not say. What was read before is kept by the followers. */
async function listed({ list }: WatchRequest): Promise<readonly Machine[] | undefined> {
  try {
    return await list();
  } catch (error) {
    if (error instanceof RuntimeError && error.code === 'SYSTEMD_FAILED') return undefined;
    throw error;
  }
}

/** Wakes one who waits; a ring that nobody waited for is not lost. */
class Bell {
  #wake: () => void = () => {};
  #hasRung = false;

  ring(): void {
    this.#hasRung = true;
    this.#wake();
  }

  async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const rung = new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#hasRung) resolve();
    });
    const either = AbortSignal.any([signal, over.signal]);
    await Promise.race([rung, delay(timeoutMs, undefined, { signal: either }).catch(() => {})]);
    over.abort();
    await delay(settleMs, undefined, { signal }).catch(() => {});
    this.#hasRung = false;
  }
}
