import { closeSync, lstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { parseIdMap } from '../unikernel/id-mapping.ts';
import type { IdMapping } from '../unikernel/spec.ts';
import { exists, readTextIfThere } from './files.ts';

/** A character device of the host's. */
export interface DeviceNode {
  readonly path: string;
  readonly major: number;
  readonly minor: number;
}

/** A character device as it is on the host; undefined if it is not there. */
export function findDevice(path: string): DeviceNode | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isCharacterDevice()) return undefined;
  // glibc's encoding of dev_t, see makedev(3).
  const device = BigInt(stat.rdev);
  const major = Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn));
  const minor = Number((device & 0xffn) | ((device >> 12n) & ~0xffn));
  return { path, major, minor };
}

/**
 * Whether a device is there and has a driver, which opening it loads: a node alone is no proof.
 * @param path of a device that does nothing when it is opened
 */
export function canOpenDevice(path: string): boolean {
  if (findDevice(path) === undefined) return false;
  try {
    closeSync(openSync(path, 'r+'));
    return true;
  } catch {
    return false;
  }
}

/** Whether every user may read and write a file; not if it is missing. */
export function isOpenToAll(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && (stat.mode & 0o006) === 0o006;
}

/**
 * The host directories with programs and libraries that the sandbox needs: /usr, and what is not a link into it.
 * @param programs absolute paths of QEMU and what it works with, which may be elsewhere
 */
export function hostDirectories(programs: readonly string[]): readonly string[] {
  const unmerged = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'].filter(isRealDirectory);
  const store = ['/nix/store', '/gnu/store'].filter(exists);
  const covered = ['/usr', ...unmerged, ...store];
  const isCovered = (path: string) =>
    covered.some((directory) => path.startsWith(`${directory}/`)) || path.startsWith('/bin/');
  // /opt/qemu/bin/qemu-system-x86_64 → /opt/qemu, with its firmware in share/.
  const prefixes = programs
    .filter((program) => !isCovered(program))
    .map((program) => program.split('/').slice(0, -2).join('/'))
    .filter((prefix) => prefix !== '');
  return [...new Set([...covered, ...prefixes])];
}

/**
 * Those of some directories that have something mounted below. Pure.
 * @param mountinfo the text of `/proc/self/mountinfo`
 * @see proc_pid_mountinfo(5)
 */
export function withMountsBelow(directories: readonly string[], mountinfo: string): readonly string[] {
  const places = mountinfo.split('\n').map((line) => line.split(' ')[4] ?? '');
  return directories.filter((directory) => places.some((place) => place.startsWith(`${directory}/`)));
}

/** The names that are links into /usr on a host with a merged /usr, such as bin → usr/bin. */
export const mergedUsrLinks = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'] as const;

/** Whether a path is a symbolic link, wherever it points to. */
export function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

/** The user ids that our own user namespace has. */
export function ownUidMap(): readonly IdMapping[] {
  return parseIdMap(readTextIfThere('/proc/self/uid_map') ?? '0 0 4294967295');
}

/** Changes whenever the host boots. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function isRealDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
