import { readTextIfThere } from '../host/files.ts';
import { findChild, runProgram } from '../host/processes.ts';
import { networkChanges } from '../unikernel/network/changes.ts';
import { guestAddress, guestAddresses } from '../unikernel/network/plan.ts';
import type { NetworkPlan } from '../unikernel/network/types.ts';
import type { ContainerCall } from './container.ts';
import { isAlive } from './init-process.ts';
import { type ContainerRecord, readRecord } from './record.ts';

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
  const init = record.init !== undefined && isAlive(record.init) ? record.init : undefined;
  const monitor = init === undefined ? undefined : findChild(init.pid, qemu);
  const { joined } = record;
  const address = guestAddress(joined);
  const notes = [...(joined?.notes ?? []), ...changesSince(joined, init)];
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
      ...(notes.length === 0 ? {} : { 'ucrun.state.network.note': notes.join('; ') }),
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

/** Nobody tells a runtime of a network that a running container is attached to. */
function changesSince(joined: NetworkPlan | undefined, init: ContainerRecord['init']): readonly string[] {
  if (joined === undefined || init === undefined) return [];
  const textOf = (file: string) => readTextIfThere(`/proc/${init.pid}/net/${file}`) ?? '';
  return networkChanges(joined, {
    dev: textOf('dev'),
    route: textOf('route'),
    ifInet6: textOf('if_inet6'),
  });
}
