import { chmodSync, copyFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { RuntimeError } from '../base/runtime-error.ts';
import { giveTo } from '../host/files.ts';

/**
 * A file that QEMU's user can read: the file itself, or, where it is not everybody's to read, a copy.
 * @param uid QEMU's user; undefined: the one who runs ucrun
 * @param copy where the copy is to be
 */
export function readableFile(path: string, uid: number | undefined, copy: string): string {
  if (uid === undefined || isReadableBy(path, uid)) return path;
  copyFileSync(path, copy);
  chmodSync(copy, 0o400);
  giveTo(copy, uid);
  return copy;
}

/**
 * The same, for an image that is too large to be copied.
 * @throws RuntimeError IMAGE_INVALID
 */
export function requireReadableDisk(path: string, uid: number | undefined): void {
  if (uid === undefined || isReadableBy(path, uid)) return;
  throw new RuntimeError('IMAGE_INVALID', `disk "${path}" cannot be read by the user that QEMU runs as`, {
    hint: `let everybody read it, such as with "chmod o+r", and enter the directories above it`,
  });
}

function isReadableBy(path: string, uid: number): boolean {
  if (uid === 0) return true;
  const allows = (place: string, bit: number) => {
    const { mode, uid: owner } = statSync(place);
    return (mode & (owner === uid ? bit << 6 : bit)) !== 0;
  };
  for (let place = dirname(path); ; place = dirname(place)) {
    if (!allows(place, 1)) return false;
    if (place === '/') return allows(path, 4);
  }
}
