import { constants } from 'node:os';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A command was ended by a signal, and has cleaned up. */
export class Interrupted extends Error {
  override readonly name: string = 'Interrupted';
  /** As a shell counts. */
  readonly status: number;

  constructor(signal: (typeof signals)[number]) {
    super(`interrupted by ${signal}`);
    this.status = 128 + constants.signals[signal];
  }
}

/**
 * Do something that a signal ends early, so that it can clean up. A second signal does not wait for that.
 * @throws Interrupted if it was ended by one
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  // It stays while there is something to clean up: a library that sees no other listener would end the process.
  const interrupt = (signal: (typeof signals)[number]) => {
    if (controller.signal.aborted) process.exit(new Interrupted(signal).status);
    controller.abort(new Interrupted(signal));
  };
  for (const name of signals) process.on(name, interrupt);
  try {
    return await work(controller.signal);
  } catch (error) {
    // Whatever failed did so because of the signal.
    if (controller.signal.aborted) throw controller.signal.reason;
    throw error;
  } finally {
    for (const name of signals) process.removeListener(name, interrupt);
  }
}
