import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import type { KernelReader } from '../unikernel/kernel-format.ts';

/** Write a file whole or not at all: beside its place first, then renamed. `mode` holds whatever the umask is. */
export function writeFileAtomic(path: string, content: string, mode: number): void {
  const beside = `${path}.${process.pid}`;
  try {
    const fd = openSync(beside, 'w', 0o600);
    try {
      // Not writeSync(): on a full disk it writes what there is room for, and is content.
      writeFileSync(fd, content);
      fchmodSync(fd, mode);
    } finally {
      closeSync(fd);
    }
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}

/** Make a directory, parents included; `mode` holds for the last one, whatever the umask is. */
export function makeDirectory(path: string, mode: number): void {
  mkdirSync(path, { recursive: true, mode });
  chmodSync(path, mode);
}

/** Make a file another user's; one that is ours stays so without a system call, which a sandbox may refuse. */
export function giveTo(path: string, uid: number): void {
  if (uid !== process.geteuid?.()) chownSync(path, uid, -1);
}

/** Do something under a umask of our choice instead of the one that we were started with. */
export function withUmask<T>(umask: number, run: () => T): T {
  const before = process.umask(umask);
  try {
    return run();
  } finally {
    process.umask(before);
  }
}

/** Make a directory that is not there yet, and its parents. @returns false if something is there already */
export function makeNewDirectory(path: string, mode: number): boolean {
  for (;;) {
    try {
      mkdirSync(path, { mode });
      chmodSync(path, mode);
      return true;
    } catch (error) {
      if (isErrno(error, 'EEXIST')) return false;
      if (!isErrno(error, 'ENOENT')) throw error;
      // The parent is missing, or its last child was removed, and it with it, just now.
      mkdirSync(dirname(path), { recursive: true, mode });
    }
  }
}

/** A file's text, or undefined if there is no such file. */
export function readTextIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** The names in a directory; none if there is no such directory. */
export function listDirectory(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/** The paths of the files in a directory whose names end so, sorted; none if there is no such directory. */
export function filesIn(directory: string, ending: string): readonly string[] {
  return listDirectory(directory)
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => `${directory}/${name}`)
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}

/** Whether something is there, links followed. */
export function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Whether a path is a program that we may run. A directory is none, though it counts as executable. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The directories in which to look for a program: those of a PATH, then the usual ones; each once, all absolute. */
export function programDirectories(
  searchPath: string | undefined,
  usualDirectories: readonly string[],
): readonly string[] {
  const fromPath = (searchPath ?? '').split(':').filter((directory) => directory.startsWith('/'));
  return [...new Set([...fromPath, ...usualDirectories])];
}

/**
 * Open a file for reading whose place may by now have something else in it: a pipe is not waited for, and a device not read.
 * @param flags in addition to those for reading
 * @returns undefined if it is no regular file
 */
export function openRegularFile(path: string, flags = 0): number | undefined {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags);
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  return undefined;
}

/** Far more than any has. */
const maxEngineFileBytes = 64 * 1024;

/** The text of a container's resolv.conf or hosts, which other containers of its pod may write to; undefined if there is none. */
export function readEngineFile(path: string): string | undefined {
  return readStartIfThere(path, maxEngineFileBytes);
}

/** The start of a text that others may write; undefined if there is no such file, or it is no regular one. */
export function readStartIfThere(path: string, maxBytes: number): string | undefined {
  if (!exists(path)) return undefined;
  const fd = openRegularFile(path);
  if (fd === undefined) return undefined;
  try {
    const buffer = Buffer.alloc(maxBytes);
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, maxBytes, 0));
  } finally {
    closeSync(fd);
  }
}

/**
 * Look into a file without reading all of it.
 * @throws RuntimeError KERNEL_MISSING if it is no regular file
 */
export function withKernelReader<T>(path: string, use: (reader: KernelReader) => T): T {
  const fd = openRegularFile(path);
  if (fd === undefined) throw new RuntimeError('KERNEL_MISSING', `"${path}" is not a regular file`);
  try {
    return use({
      sizeBytes: fstatSync(fd).size,
      read(offset, length) {
        const buffer = new Uint8Array(length);
        return buffer.subarray(0, readSync(fd, buffer, 0, length, offset));
      },
    });
  } finally {
    closeSync(fd);
  }
}
