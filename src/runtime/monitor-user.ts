import { ownUidMap } from '../host/host-facts.ts';
import { takeUid } from '../host/uid-pool.ts';
import { type IdRange, identityMapping, monitorIdRange, toHostId } from '../unikernel/id-mapping.ts';
import { findNamespace, type Spec } from '../unikernel/spec.ts';
import type { ContainerCall } from './container.ts';

/**
 * Take a user id for the monitor out of the pool, one that the container's user namespace has.
 * @throws RuntimeError UID_EXHAUSTED
 */
export function chooseMonitorUid(
  { config, paths }: ContainerCall,
  spec: Spec,
): { readonly container: number; readonly host: number } {
  const ownMap = ownUidMap();
  const hasOwnNamespace = findNamespace(spec, 'user') !== undefined && spec.uidMappings.length > 0;
  // Inside: what the container's namespace has, or else our own, in which every id means itself to us.
  const mappings = hasOwnNamespace
    ? spec.uidMappings
    : ownMap.map(({ containerId, size }) => ({ containerId, hostId: containerId, size }));
  const configured: IdRange = { first: config.vmm.uidBase, count: config.vmm.uidCount };
  const range = monitorIdRange(mappings, configured);
  const { containerUid, hostUid } = takeUid(paths.stateRoot, range, mappings, paths.directory);
  return { container: containerUid, host: hostUid };
}

/** The group of the same number where it is mapped, else the container's group 0, which is nobody of the host's. */
export function monitorGid(spec: Spec, uid: number): number {
  const mappings = spec.gidMappings.length > 0 ? spec.gidMappings : identityMapping;
  return toHostId(mappings, uid) === undefined ? 0 : uid;
}
