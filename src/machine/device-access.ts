import { statSync } from 'node:fs';
import { readPortStart } from '../host/port-start.ts';
import { defaultPortStart } from '../unikernel/low-ports.ts';
import type { PortMapping } from '../unikernel/ports.ts';

/** Whether QEMU needs a capability to listen at one of a machine's ports. */
export function needsLowPorts(ports: readonly PortMapping[]): boolean {
  const lowest = Math.min(...ports.map(({ host }) => host));
  return lowest < defaultPortStart && lowest < readPortStart(undefined);
}

/** The group that may open /dev/kvm, which QEMU is to have; undefined: everybody may, or nobody. */
export function kvmGroup(): number | undefined {
  const stat = statSync('/dev/kvm', { throwIfNoEntry: false });
  return stat === undefined || (stat.mode & 0o006) === 0o006 ? undefined : stat.gid;
}
