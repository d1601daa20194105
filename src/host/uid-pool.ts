import { readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { type IdRange, toHostId } from '../unikernel/id-mapping.ts';
import type { IdMapping } from '../unikernel/spec.ts';
import { exists, listDirectory } from './files.ts';

/** A user id that no other sandbox has, so that one broken-out monitor cannot reach another's. */
export interface MonitorUid {
  readonly containerUid: number;
  /** The same user, as ucrun's own namespace has it. */
  readonly hostUid: number;
}

/**
 * Take a user id out of a range. Who has it is a link per id, which only one ucrun can make.
 * @param stateRoot a folder that is there
 * @param owner who gives it back: the container's state directory
 * @throws RuntimeError UID_EXHAUSTED
 */
export function takeUid(
  stateRoot: string,
  range: IdRange,
  mappings: readonly IdMapping[],
  owner: string,
): MonitorUid {
  // Two creates at the same time begin at different places, instead of racing up from the first.
  const start = process.pid % range.count;
  for (let step = 0; step < range.count; step++) {
    const containerUid = range.first + ((start + step) % range.count);
    const hostUid = toHostId(mappings, containerUid);
    if (hostUid === undefined) continue;
    // Where only one id is mapped it must serve everyone.
    if (range.count === 1 || claim(stateRoot, hostUid, owner)) return { containerUid, hostUid };
  }
  throw new RuntimeError(
    'UID_EXHAUSTED',
    `all ${range.count} user ids from ${range.first} are in use by unikernel containers`,
    {
      hint: "raise [vmm] uid_count in ucrun's config.toml, or remove containers",
    },
  );
}

/** Give back the user ids that an owner has. Doing so twice is no error. */
export function releaseUids(stateRoot: string, owner: string): void {
  for (const name of listDirectory(stateRoot)) {
    const link = `${stateRoot}/${name}`;
    if (name.startsWith(claimPrefix) && readLinkIfThere(link) === owner) rmSync(link, { force: true });
  }
}

/** The links of user ids whose owner is gone, as whole paths: they keep an id from everybody. */
export function staleUidLinks(stateRoot: string): readonly string[] {
  return listDirectory(stateRoot)
    .filter((name) => name.startsWith(claimPrefix))
    .map((name) => `${stateRoot}/${name}`)
    .filter((link) => {
      const owner = readLinkIfThere(link);
      return owner !== undefined && !exists(owner);
    });
}

const claimPrefix = 'uid-';

function claim(stateRoot: string, hostUid: number, owner: string): boolean {
  try {
    // A link, since it comes into being with its owner's name in it, or not at all.
    symlinkSync(owner, `${stateRoot}/${claimPrefix}${hostUid}`);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

function readLinkIfThere(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EINVAL')) return undefined;
    throw error;
  }
}
