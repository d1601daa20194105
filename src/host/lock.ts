import { readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { processStartTime } from './processes.ts';

const pollMs = 20;

/**
 * Do something that only one process at a time may do. The lock is a link that says who has it, since a link comes into being with its
 * text or not at all; that of a process that has died is nobody's.
 * @param what for the message, such as `machine "x"`
 * @throws RuntimeError MACHINE_BUSY if somebody else has it for too long
 */
export async function withLock<T>(
  path: string,
  what: string,
  timeoutMs: number,
  work: () => T | Promise<T>,
): Promise<T> {
  const own = `${process.pid} ${processStartTime(process.pid)}`;
  const deadline = performance.now() + timeoutMs;
  while (!take(path, own)) {
    const holder = holderOf(path);
    if (holder === undefined) continue;
    if (isStale(holder)) {
      clear(path, holder);
      continue;
    }
    if (performance.now() > deadline) {
      throw new RuntimeError(
        'MACHINE_BUSY',
        `${what} is being worked on by process ${holder.split(' ')[0]}`,
        {
          hint: 'try again when that has ended',
        },
      );
    }
    await delay(pollMs);
  }
  try {
    return await work();
  } finally {
    if (holderOf(path) === own) rmSync(path, { force: true });
  }
}

function take(path: string, own: string): boolean {
  try {
    symlinkSync(own, path);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

function holderOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function isStale(holder: string): boolean {
  const [pid, startTime] = holder.split(' ');
  return processStartTime(Number(pid)) !== startTime;
}

/** Two may find it stale at once: the slower of them would take away what the faster has taken, so it gives that back. */
function clear(path: string, stale: string): void {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  if (holderOf(aside) === stale) rmSync(aside, { force: true });
  else renameSync(aside, path);
}
