import { lstatSync, readlinkSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';

const maxLinks = 40;

/**
 * The host path of a file inside a root file system, found as a process chrooted there would find it: `..` stops at the
 * root, and a link is followed inside it, wherever it points to.
 * @param root absolute path without links
 * @param path as the image has it
 * @returns a path below `root` none of whose parts is a link
 * @throws RuntimeError KERNEL_MISSING if there is nothing, or no regular file
 */
export function resolveInRootfs(root: string, path: string, what: string): string {
  const pending = path.split('/').reverse();
  const found: string[] = [];
  let links = 0;
  while (pending.length > 0) {
    const part = pending.pop() as string;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      found.pop();
      continue;
    }
    const candidate = [root, ...found, part].join('/');
    const stat = lstatOrThrow(candidate, path, what);
    if (!stat.isSymbolicLink()) {
      found.push(part);
      continue;
    }
    if (++links > maxLinks) throw new RuntimeError('KERNEL_MISSING', `${what} "${path}" is a loop of links`);
    const target = readlinkSync(candidate);
    if (target.startsWith('/')) found.length = 0;
    pending.push(...target.split('/').reverse());
  }
  const resolved = [root, ...found].join('/');
  if (!lstatOrThrow(resolved, path, what).isFile()) {
    throw new RuntimeError('KERNEL_MISSING', `${what} "${path}" in the image is not a regular file`);
  }
  return resolved;
}

function lstatOrThrow(candidate: string, path: string, what: string) {
  try {
    return lstatSync(candidate);
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) throw cause;
    throw new RuntimeError('KERNEL_MISSING', `${what} "${path}" is missing from the image`, {
      cause,
      hint: 'the path in the annotation is looked up inside the image, and so is what a link there points to',
    });
  }
}
