import { rmSync } from 'node:fs';
import { namespaceId, removeTaps } from '../host/network-namespace.ts';
import { removeOverlayDirectory } from '../host/overlay-directory.ts';
import { releaseUids } from '../host/uid-pool.ts';
import type { ContainerRecord } from './record.ts';
import type { StatePaths } from './state-dir.ts';

/**
 * Remove all that is kept of a container whose sandbox is gone: what it had in a network namespace that outlives it, its user id,
 * and its folder. Doing so twice is no error.
 * @param record undefined if create did not come so far as to write one, or it cannot be read
 */
export function removeState(paths: StatePaths, record: ContainerRecord | undefined): void {
  const namespacePath = record?.network.namespacePath;
  // A namespace of the container's own is gone; a path that the engine gave may by now lead to another's.
  if (
    record?.taps !== undefined &&
    namespacePath !== undefined &&
    namespaceId(namespacePath) === record.taps.namespaceId
  )
    removeTaps(namespacePath, record.taps.cards, paths.mark);
  releaseUids(paths.stateRoot, paths.directory);
  removeOverlayDirectory(paths.overlays);
  rmSync(paths.directory, { recursive: true, force: true });
}
