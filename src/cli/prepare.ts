import { readFileSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import type { Call } from '../runtime/container.ts';
import { prepareFromHook } from '../runtime/run.ts';

/**
 * The hidden verb behind the hook of `run`: `ucrun prepare STATE-DIRECTORY`, the container's state on standard input.
 * @throws RuntimeError USAGE if it was not crun that called
 */
export function answerHook(call: Call): number {
  const [directory] = call.line.verbArgs;
  if (directory === undefined) throw notForPeople('names no directory');
  prepareFromHook(call, directory, pidIn(readFileSync(0, 'utf8')));
  return 0;
}

/** @see opencontainers/runtime-spec v1.2.0 config.md, "POSIX-platform Hooks", and runtime.md, "State" */
function pidIn(stateText: string): number {
  let state: unknown;
  try {
    state = JSON.parse(stateText);
  } catch (cause) {
    throw notForPeople('has no state in JSON on its standard input', cause);
  }
  const pid = typeof state === 'object' && state !== null && 'pid' in state ? state.pid : undefined;
  if (typeof pid === 'number' && Number.isInteger(pid) && pid > 0) return pid;
  throw notForPeople('has no pid in the state on its standard input');
}

function notForPeople(problem: string, cause?: unknown): RuntimeError {
  return new RuntimeError('USAGE', `"prepare" ${problem}`, {
    hint: 'crun calls it while "run" makes a container; it is not for people',
    cause,
  });
}
