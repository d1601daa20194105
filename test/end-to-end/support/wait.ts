import { setTimeout as delay } from 'node:timers/promises';

/**
 * Ask again and again until the answer is neither undefined nor false.
 * @throws Error that names what was waited for; the last error, if there was one, is its cause
 */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutSeconds = 60,
): Promise<T> {
  const deadline = performance.now() + timeoutSeconds * 1000;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline)
      throw new Error(`waited ${timeoutSeconds} s in vain for ${what}`, { cause });
    await delay(50);
  }
}
