import { statSync } from 'node:fs';
import { makeDirectory } from '../host/files.ts';
import { releaseUids, takeUid } from '../host/uid-pool.ts';
import { identityMapping } from '../unikernel/id-mapping.ts';
import { kvmGroup } from './device-access.ts';
import type { MachineHost } from './host.ts';
import type { MachineFiles } from './places.ts';
import type { MachineRecord } from './record.ts';

/**
 * Whom a machine's QEMU runs as where root starts it: a user id of its own, or, so that it can reach them, the owner of the machine's
 * volumes.
 * @returns undefined for a user's own machines, which run as that user
 * @throws RuntimeError UID_EXHAUSTED
 */
export function chooseMachineUser(
  { config, isRoot, stateRoot }: MachineHost,
  { settings }: MachineRecord,
  { run }: MachineFiles,
): number | undefined {
  if (!isRoot) return undefined;
  const owner = volumeOwner(settings);
  if (owner !== undefined) return owner;
  makeDirectory(stateRoot, 0o711);
  const range = { first: config.vmm.uidBase, count: config.vmm.uidCount };
  return takeUid(stateRoot, range, identityMapping, run).hostUid;
}

/** Give it back. */
export function releaseMachineUser({ isRoot, stateRoot }: MachineHost, { run }: MachineFiles): void {
  if (isRoot) releaseUids(stateRoot, run);
}

/** The owner of a machine's first volume. */
export function volumeOwner({ volumes }: MachineRecord['settings']): number | undefined {
  const [first] = volumes;
  return first === undefined ? undefined : statSync(first.source, { throwIfNoEntry: false })?.uid;
}

/**
 * The program that changes to that user, without any capability but the one to listen at low ports.
 * @see setpriv(1)
 */
export function becomeUser(uid: number, hasLowPorts: boolean): readonly string[] {
  const group = kvmGroup();
  const kept = hasLowPorts ? ',+net_bind_service' : '';
  return [
    '/usr/bin/setpriv',
    `--reuid=${uid}`,
    `--regid=${uid}`,
    group === undefined ? '--clear-groups' : `--groups=${group}`,
    `--inh-caps=-all${kept}`,
    `--ambient-caps=-all${kept}`,
    `--bounding-set=-all${kept}`,
    '--no-new-privs',
  ];
}
