import { closeSync, constants, openSync } from 'node:fs';

/** Node's fs.constants lacks it; the same on x86-64 and arm64. @see open(2) */
export const oPath = 0o10000000;

/**
 * Go down from a directory, name by name, following no link: whoever may write below it leads nobody out of it.
 * @param start a path that nobody hostile may change
 * @param names plain ones, each but the last of a directory
 * @param lastFlags for the last, beside those for a place that is neither read nor written
 * @param before called with the path of each before it is opened
 * @returns a descriptor of the last, which the caller closes
 * @throws Error of the system call, such as ENOTDIR for a link
 */
export function descend(
  start: string,
  names: readonly string[],
  lastFlags: number,
  before: (path: string) => void = () => {},
): number {
  let fd = openSync(start, oPath | constants.O_DIRECTORY);
  try {
    for (const [index, name] of names.entries()) {
      const path = `/proc/self/fd/${fd}/${name}`;
      before(path);
      const flags = index === names.length - 1 ? lastFlags : constants.O_DIRECTORY;
      const next = openSync(path, oPath | constants.O_NOFOLLOW | flags);
      closeSync(fd);
      fd = next;
    }
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
