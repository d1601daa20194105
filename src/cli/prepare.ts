import { readFileSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import type { Call } from '../runtime/container.ts';
import { prepareFromHook } from '../runtime/run.ts';

/** The hidden verb behind the hook of `run`: `ucrun prepare STATE-DIRECTORY`, the container's state on standard input. */
export function answerHook(call: Call): number {
  const [directory] = call.line.verbArgs;
  if (directory === undefined) throw new RuntimeError('USAGE', 'prepare is called by crun, not by people');
  prepareFromHook(call, directory, readFileSync(0, 'utf8'));
  return 0;
}
