import { chmodSync, mkdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';

/**
 * Make the directory for what a guest writes to its disks: not in the state directory, which is memory. A link there says where it
 * is, and is made first, so that whoever cleans up finds it.
 * @param link in the container's state directory
 * @throws RuntimeError HOST_FAILED
 */
export function makeOverlayDirectory(link: string, directory: string): void {
  try {
    symlinkSync(directory, link);
    // Of a container whose state is gone, such as one from before the host booted.
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(dirname(directory), { recursive: true, mode: 0o711 });
    mkdirSync(directory);
    chmodSync(directory, 0o711);
  } catch (cause) {
    throw new RuntimeError('HOST_FAILED', `cannot make the directory "${directory}" for the guest's disks`, {
      cause,
      hint: "set overlay_dir in ucrun's config.toml to a directory with room for what guests write",
    });
  }
}

/** Remove it, if it was made. The link itself goes with the directory that it is in. */
export function removeOverlayDirectory(link: string): void {
  const directory = readLinkIfThere(link);
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
}

/** Remove one that nothing leads to any more. */
export function removeOverlayFolder(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

function readLinkIfThere(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
