import { closeSync, constants, fstatSync, lstatSync, readlinkSync, readSync, type Stats } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import type { ImageFiles } from '../unikernel/image-settings.ts';
import { openRegularFile } from './files.ts';

const maxLinks = 40;

/** What a description of a unikernel may hold; one that is larger is none. */
const maxTextBytes = 64 * 1024;

/**
 * The host path of a file inside a root file system, found as a process chrooted there would find it: `..` stops at the
 * root, and a link is followed inside it, wherever it points to.
 * @param root absolute path without links
 * @param path as the image has it
 * @returns a path below `root` none of whose parts is a link
 * @throws RuntimeError KERNEL_MISSING if there is nothing, or no regular file
 */
export function resolveInRootfs(root: string, path: string, what: string): string {
  const found = walk(root, path);
  if (found === 'loop') throw new RuntimeError('KERNEL_MISSING', `${what} "${path}" is a loop of links`);
  if (found.stat === undefined) {
    throw new RuntimeError('KERNEL_MISSING', `${what} "${path}" is missing from the image`, {
      hint: 'the path in the annotation is looked up inside the image, and so is what a link there points to',
    });
  }
  if (found.stat.isFile()) return found.path;
  throw new RuntimeError('KERNEL_MISSING', `${what} "${path}" in the image is not a regular file`);
}

/**
 * Where a path leads to inside a root file system, as {@link resolveInRootfs} finds it; its last parts need not be there.
 * @returns a path below `root` none of whose parts is a link; undefined for a loop of links
 */
export function placeInRootfs(root: string, path: string): string | undefined {
  const found = walk(root, path);
  return found === 'loop' ? undefined : found.path;
}

/** The files of an image, for finding out what it carries. A root file system that is not there has none. */
export function imageFiles(root: string | undefined): ImageFiles {
  const find = (path: string): string | undefined => {
    const found = root === undefined ? 'loop' : walk(root, path);
    return found !== 'loop' && found.stat?.isFile() ? found.path : undefined;
  };
  return {
    isFile: (path) => find(path) !== undefined,
    readText(path) {
      const found = find(path);
      return found === undefined ? undefined : readText(found, path);
    },
  };
}

/**
 * The file may have been swapped since it was found: a link is not followed then, and a pipe not waited for.
 * @throws RuntimeError UNIKERNEL_INVALID for a file that is too large
 */
function readText(hostPath: string, path: string): string | undefined {
  const fd = openRegularFile(hostPath, constants.O_NOFOLLOW);
  if (fd === undefined) return undefined;
  try {
    const { size } = fstatSync(fd);
    if (size > maxTextBytes) {
      throw new RuntimeError('UNIKERNEL_INVALID', `"${path}" in the image has ${size} bytes`, {
        hint: `it can have up to ${maxTextBytes}`,
      });
    }
    const buffer = Buffer.alloc(size);
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, size, 0));
  } finally {
    closeSync(fd);
  }
}

/** @returns where the path leads to, with undefined for what is not there */
function walk(root: string, path: string): { path: string; stat: Stats | undefined } | 'loop' {
  const pending = path.split('/').reverse();
  const found: string[] = [];
  let links = 0;
  let isThere = true;
  while (pending.length > 0) {
    const part = pending.pop() as string;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      found.pop();
      continue;
    }
    const candidate = [root, ...found, part].join('/');
    const stat: Stats | undefined = isThere ? lstatIfThere(candidate) : undefined;
    isThere = stat !== undefined;
    if (stat === undefined || !stat.isSymbolicLink()) {
      found.push(part);
      continue;
    }
    if (++links > maxLinks) return 'loop';
    const target = readlinkSync(candidate);
    if (target.startsWith('/')) found.length = 0;
    pending.push(...target.split('/').reverse());
  }
  const resolved = [root, ...found].join('/');
  return { path: resolved, stat: isThere ? lstatIfThere(resolved) : undefined };
}

function lstatIfThere(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}
