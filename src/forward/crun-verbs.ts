import { runProgram } from '../host/processes.ts';

/** Whether a crun has a verb: old ones lack `features`, and none had `events` when this was written. */
export function crunHasVerb(crun: string, verb: string): boolean {
  const { stdout } = runProgram(crun, ['--help'], { env: {} });
  return new RegExp(`^\\s*${verb}\\s`, 'm').test(stdout);
}
