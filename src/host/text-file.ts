import {
  chownSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';

/**
 * The text of a file that others wrote.
 * @returns undefined if it is not there
 * @throws RuntimeError HOST_FAILED if it cannot be read, or is none in UTF-8, which could not be written again as it was
 */
export function readForeignText(path: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return undefined;
    if (cause instanceof TypeError)
      throw new RuntimeError('HOST_FAILED', `${path} is not a text in UTF-8`, {
        cause,
        hint: 'iconv --to-code=UTF-8 makes one of it; nothing was changed',
      });
    throw failed('read', path, cause);
  }
}

/**
 * Write a file whole or not at all, in the place where a link leads. It keeps its mode and its owner; a new one is readable by all.
 * @returns the directories that had to be made for it, the outermost first
 * @throws RuntimeError HOST_FAILED
 */
export function replaceText(path: string, text: string): readonly string[] {
  const place = placeOf(path);
  const before = statSync(place, { throwIfNoEntry: false });
  const beside = `${place}.ucrun-${process.pid}`;
  try {
    const made = makeParents(dirname(place));
    const fd = openSync(beside, 'wx', 0o600);
    try {
      writeFileSync(fd, text);
      fchmodSync(fd, before === undefined ? 0o644 : before.mode & 0o7777);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (before !== undefined) chownSync(beside, before.uid, before.gid);
    renameSync(beside, place);
    return made;
  } catch (cause) {
    rmSync(beside, { force: true });
    throw failed('write', place, cause);
  }
}

/**
 * Remove a file, and those of these directories that are empty then.
 * @throws RuntimeError HOST_FAILED
 */
export function removeText(path: string, directories: readonly string[]): void {
  try {
    rmSync(path, { force: true });
  } catch (cause) {
    throw failed('remove', path, cause);
  }
  for (const directory of [...directories].reverse()) {
    try {
      rmdirSync(directory);
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error;
    }
  }
}

/** Where a link leads. @throws RuntimeError HOST_FAILED if that is nowhere */
function placeOf(path: string): string {
  try {
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return path;
  } catch (cause) {
    throw failed('write', path, cause);
  }
  try {
    return realpathSync(path);
  } catch (cause) {
    throw new RuntimeError('HOST_FAILED', `${path} is a link to a file that is missing`, {
      cause,
      hint: 'make that file, or remove the link',
    });
  }
}

/** What was to be done with a file and is not possible, with what helps against just that. @see errno(3) */
function failed(action: 'read' | 'write' | 'remove', path: string, cause: unknown): RuntimeError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
  const [why, hint] = reasons[code] ?? [code, undefined];
  return new RuntimeError('HOST_FAILED', `cannot ${action} ${path}: ${why}`, { cause, hint });
}

const asRoot = ['that is not allowed', 'run the command as root'] as const;
const reasons: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  EACCES: asRoot,
  EPERM:
    process.geteuid?.() === 0
      ? [
          'not even root may',
          'see with lsattr whether it or its directory is immutable: chattr -i lets it be changed',
        ]
      : asRoot,
  EISDIR: ['it is a directory', 'a file belongs there: move the directory away'],
  ENOTDIR: ['what should be a directory above it is a file', 'move that file away'],
  ELOOP: ['its link leads to itself', 'remove the link'],
  EROFS: [
    'the file system is read-only',
    'mount it for writing, or change the file where the image of this host is made',
  ],
  EBUSY: ['something is mounted there', 'change the file that is mounted there, where it comes from'],
  ENOSPC: ['the disk is full', 'make room'],
};

function makeParents(directory: string): readonly string[] {
  const missing: string[] = [];
  for (let path = directory; statSync(path, { throwIfNoEntry: false }) === undefined; path = dirname(path))
    missing.unshift(path);
  for (const path of missing) mkdirSync(path, { mode: 0o755 });
  return missing;
}
