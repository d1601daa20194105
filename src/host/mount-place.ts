import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { descend } from './descend.ts';

/**
 * Make a place to mount on in a root file system of a container's, unless it is there. The way to it was found without links (see
 * rootfs-path.ts); if one has come there since, nothing is made behind it.
 * @param root absolute path without links
 * @param place below it, from its slash on
 * @throws RuntimeError VOLUME_UNSUPPORTED if something else is in its way
 */
export function makeMountPlace(root: string, place: string, kind: 'file' | 'directory'): void {
  const names = place.split('/').filter((name) => name !== '');
  const file = kind === 'file' ? names.pop() : undefined;
  try {
    const fd = descend(root, names, constants.O_DIRECTORY, makeDirectoryIfMissing);
    try {
      if (file !== undefined) makeFileIfMissing(`/proc/self/fd/${fd}/${file}`);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    if (!isErrno(cause, 'ENOTDIR', 'ELOOP')) throw cause;
    throw new RuntimeError('VOLUME_UNSUPPORTED', `nothing can be mounted at "${place}" of the image`, {
      cause,
      hint: 'a file or a link is in its way: mount it at another path',
    });
  }
}

function makeDirectoryIfMissing(path: string): void {
  try {
    mkdirSync(path, { mode: 0o755 });
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
}

/** O_EXCL, so that a link counts as what is there already. */
function makeFileIfMissing(path: string): void {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o444));
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
}
