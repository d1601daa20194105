import { RuntimeError } from '../base/runtime-error.ts';
import { ownUidMap } from '../host/host-facts.ts';
import { takeUid } from '../host/uid-pool.ts';
import { type IdRange, identityMapping, monitorIdRange, toHostId } from '../unikernel/id-mapping.ts';
import { findNamespace, type Spec } from '../unikernel/spec.ts';
import type { ContainerCall } from './container.ts';

/** Whom the monitor runs as. */
export interface MonitorUser {
  /** As the container has them. */
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids?: readonly number[];
}

/** The monitor's user, and the same user id as ucrun's own user namespace has it. */
export interface ChosenUser {
  readonly user: MonitorUser;
  readonly hostUid: number;
}

/**
 * Choose the monitor's user: one of its own out of the pool, that the container's user namespace has. With volumes it is the container's
 * own user, without capabilities: so the guest can read and write just what a program in the container could, and what it writes is
 * that user's.
 * @throws RuntimeError UID_EXHAUSTED, SPEC_INVALID
 */
export function chooseMonitorUser(
  { config, paths }: ContainerCall,
  spec: Spec,
  touchesVolumes: boolean,
): ChosenUser {
  const hasOwnNamespace = findNamespace(spec, 'user') !== undefined && spec.uidMappings.length > 0;
  if (touchesVolumes) {
    const { uid } = spec.user;
    const hostUid = hasOwnNamespace ? toHostId(spec.uidMappings, uid) : uid;
    if (hostUid !== undefined) return { user: spec.user, hostUid };
    throw new RuntimeError(
      'SPEC_INVALID',
      `process.user.uid ${uid} is not mapped in the container's user namespace`,
    );
  }
  // Inside: what the container's namespace has, or else our own, in which every id means itself to us.
  const mappings = hasOwnNamespace
    ? spec.uidMappings
    : ownUidMap().map(({ containerId, size }) => ({ containerId, hostId: containerId, size }));
  const configured: IdRange = { first: config.vmm.uidBase, count: config.vmm.uidCount };
  const range = monitorIdRange(mappings, configured);
  const { containerUid, hostUid } = takeUid(paths.stateRoot, range, mappings, paths.directory);
  return { user: { uid: containerUid, gid: monitorGid(spec, containerUid) }, hostUid };
}

/** The group of the same number where it is mapped, else the container's group 0, which is nobody of the host's. */
function monitorGid(spec: Spec, uid: number): number {
  const mappings = spec.gidMappings.length > 0 ? spec.gidMappings : identityMapping;
  return toHostId(mappings, uid) === undefined ? 0 : uid;
}
