import { hasFlag, parseVerbArgs } from '../forward/command-line.ts';
import { runInPlace } from '../host/processes.ts';
import type { ContainerCall } from './container.ts';
import { type ContainerRecord, readRecord } from './record.ts';
import { removeState } from './remove-state.ts';

/**
 * `delete` for a unikernel container: crun removes the sandbox, or says why not; then ours is removed too.
 * With --force it also cleans up after a ucrun that was killed at any point of create or start.
 * @returns the exit status
 */
export function deleteContainer(call: ContainerCall): number {
  const isForced = hasFlag(parseVerbArgs('delete', call.line.verbArgs).options, 'force', 'f');
  const record = isForced ? readRecordIfWhole(call) : readRecord(call.paths);
  const status = runInPlace(call.crun(), call.line.args, call.env);
  if (status !== 0) return status;
  removeState(call.paths, record);
  return status;
}

/** A record that cannot be read must not keep a container from being removed. */
function readRecordIfWhole(call: ContainerCall): ContainerRecord | undefined {
  try {
    return readRecord(call.paths);
  } catch (error) {
    call.log('record ignored', { error: String(error) });
    return undefined;
  }
}
