import { planOverlay, writeOverlay } from '../host/disk-image.ts';
import { makeOverlayDirectory } from '../host/overlay-directory.ts';
import { sandboxPaths } from '../unikernel/sandbox-paths.ts';
import type { ContainerCall } from './container.ts';
import type { ContainerRecord } from './record.ts';
import { overlayDirectory } from './state-dir.ts';

/**
 * Make the overlay of each of a container's disks, so that any number of containers can run from one image, which stays as it is.
 * @throws RuntimeError IMAGE_INVALID, HOST_FAILED
 */
export function makeOverlays(
  { paths, config, isHostRoot, env }: ContainerCall,
  record: ContainerRecord,
): void {
  if (record.disks.length === 0) return;
  makeOverlayDirectory(paths.overlays, overlayDirectory(paths, config.overlayDir, isHostRoot, env.HOME));
  for (const [index, { base, overlay }] of record.disks.entries()) {
    const disk = record.machine.disks[index];
    const format = disk?.isOverlay ? disk.baseFormat : 'raw';
    const plan = planOverlay({ image: base, format, backingPath: sandboxPaths.base(index), patches: [] });
    writeOverlay(overlay, plan, record.uid.host);
  }
}
