import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';

/**
 * What is at a place of a file that a hostile QEMU may have put there: no link is followed, and no pipe waited for.
 * @returns up to so many bytes; none if there is no regular file
 */
export function readHostileBytes(path: string, offset: number, length: number): Uint8Array {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return new Uint8Array();
    throw error;
  }
  try {
    if (!fstatSync(fd).isFile()) return new Uint8Array();
    const buffer = new Uint8Array(length);
    return buffer.subarray(0, readSync(fd, buffer, 0, length, offset));
  } finally {
    closeSync(fd);
  }
}

/** The start of a text in such a file. */
export function readHostileText(path: string, maxBytes: number): string {
  return Buffer.from(readHostileBytes(path, 0, maxBytes)).toString('utf8');
}
