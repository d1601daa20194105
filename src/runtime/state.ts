import { findChild, runProgram } from '../host/processes.ts';
import { guestAddress, guestAddresses } from '../unikernel/network/plan.ts';
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
  const { joined } = record;
  const address = guestAddress(joined);
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
      ...(joined === undefined ? {} : { 'ucrun.state.network': joined.kind }),
      ...(joined === undefined || joined.notes.length === 0
        ? {}
        : { 'ucrun.state.network.note': joined.notes.join('; ') }),
      ...(address === undefined
        ? {}
        : {
            'ucrun.state.address': address,
            'ucrun.state.addresses': guestAddresses(joined).join(','),
          }),
    },
  };
  // Indented as crun does it: test suites of engines look for `"status": "running"`.
  return { ...printed, stdout: `${JSON.stringify(shown, undefined, 4)}\n` };
}
