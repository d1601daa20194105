import { hasFlag, parseVerbArgs } from '../forward/command-line.ts';
import { runInPlace } from '../host/processes.ts';
import type { ContainerCall } from './container.ts';
import { readRecord, readWholeRecord } from './record.ts';
import { removeState } from './remove-state.ts';

/**
 * `delete` for a unikernel container: crun removes the sandbox, or says why not; then ours is removed too.
 * With --force it also cleans up after a ucrun that was killed at any point of create or start.
 * @returns the exit status
 */
export function deleteContainer(call: ContainerCall): number {
  const isForced = hasFlag(parseVerbArgs('delete', call.line.verbArgs).options, 'force', 'f');
  const record = isForced ? readWholeRecord(call) : readRecord(call.paths);
  const status = runInPlace(call.crun(), call.line.args, call.env);
  if (status !== 0) return status;
  removeState(call.paths, record);
  return status;
}
