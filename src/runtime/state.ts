import { findChild, runProgram } from '../host/processes.ts';
import { guestAddress } from '../unikernel/network-plan.ts';
import type { ContainerCall } from './container.ts';
import { isAlive } from './init-process.ts';
import { readRecord } from './record.ts';

/** How a verb ended that prints: the CLI writes both and leaves with the status. */
export interface Printed {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * `state` for a unikernel container: what crun says of the sandbox, with the engine's root file system in it,
 * and annotations that tell what the machine is, which process runs it and how it is reached.
 * @see opencontainers/runtime-spec v1.2.0 runtime.md, "State"
 */
export function containerState(call: ContainerCall): Printed {
  const printed = runProgram(call.crun(), call.line.args, { env: call.env });
  const record = readRecord(call.paths);
  if (printed.status !== 0 || record === undefined) return printed;
  const state = JSON.parse(printed.stdout) as Record<string, unknown>;
  const { guest, model, accelerator, qemu } = record.machine;
  const monitor =
    record.init !== undefined && isAlive(record.init) ? findChild(record.init.pid, qemu) : undefined;
  const address = guestAddress(record.joined);
  const shown = {
    ...state,
    bundle: record.bundle,
    rootfs: record.rootfs,
    annotations: {
      ...record.annotations,
      'ucrun.state.guest': guest,
      'ucrun.state.machine': model,
      'ucrun.state.accelerator': accelerator.kind,
      ...(monitor === undefined ? {} : { 'ucrun.state.pid': String(monitor) }),
      ...(record.joined === undefined ? {} : { 'ucrun.state.network': record.joined.kind }),
      ...(address === undefined ? {} : { 'ucrun.state.address': address }),
    },
  };
  // Indented as crun does it: test suites of engines look for `"status": "running"`.
  return { ...printed, stdout: `${JSON.stringify(shown, undefined, 4)}\n` };
}
