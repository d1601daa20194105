import { setTimeout as delay } from 'node:timers/promises';
import { qmpReturn } from '../host/qmp.ts';

const qmpTimeoutMs = 500;
/** A guest under emulation gives back some 200 MiB a second. */
const shrinkTimeoutMs = 3000;
const pollMs = 20;

/**
 * Let a guest have so much of its memory.
 * @param pid of the sandbox's first process
 * @returns whether its machine was told; what the guest does is for its driver to decide
 */
export async function setBalloon(pid: number, bytes: number): Promise<boolean> {
  const command = { execute: 'balloon', arguments: { value: bytes } };
  return (await qmpReturn(pid, command, qmpTimeoutMs)) !== undefined;
}

/** How much of its memory a guest has at the moment; undefined if its machine has no balloon, or is not there. */
export async function readBalloon(pid: number): Promise<number | undefined> {
  const returned = await qmpReturn(pid, { execute: 'query-balloon' }, qmpTimeoutMs);
  const actual = (returned as { readonly actual?: unknown } | null | undefined)?.actual;
  return typeof actual === 'number' && Number.isSafeInteger(actual) && actual >= 0 ? actual : undefined;
}

/** Let a guest have less of its memory, and wait until it has given back the rest. @returns whether it has, in time */
export async function shrinkBalloon(pid: number, bytes: number): Promise<boolean> {
  const deadline = performance.now() + shrinkTimeoutMs;
  if (!(await setBalloon(pid, bytes))) return false;
  for (;;) {
    const actual = await readBalloon(pid);
    if (actual === undefined) return false;
    if (actual <= bytes) return true;
    if (performance.now() > deadline) return false;
    await delay(pollMs);
  }
}
