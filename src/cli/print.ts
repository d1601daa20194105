import { writeSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';

/** So long is waited for a reader before the next try. */
const pauseMs = 5;

/**
 * Print a text, all of it, before anything else is done. One write is not enough: a pipe may be one that does not block, since Node and
 * whoever else has it open can make it so. Then a write takes what there is room for, or fails.
 * @throws Error EPIPE if nobody reads any more
 */
export function print(text: string, descriptor: 1 | 2 = 1): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(descriptor, bytes, written);
    } catch (error) {
      if (!isErrno(error, 'EAGAIN')) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
    }
  }
}

/** Whether printing failed because nobody reads any more. */
export function isBrokenPipe(error: unknown): boolean {
  return isErrno(error, 'EPIPE');
}
