import { processStartTime } from '../host/processes.ts';
import type { ContainerRecord } from './record.ts';

/** Whether the sandbox's first process is still the one that crun made. */
export function isAlive(init: NonNullable<ContainerRecord['init']>): boolean {
  return processStartTime(init.pid) === init.startTime;
}

/** Its pid, if it was started and is still that process. */
export function runningInit({ init }: ContainerRecord): number | undefined {
  return init !== undefined && isAlive(init) ? init.pid : undefined;
}
