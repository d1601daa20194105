import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { type IdRange, toHostId } from '../unikernel/id-mapping.ts';
import type { IdMapping } from '../unikernel/spec.ts';
import { listDirectory, readTextIfThere, removeIfEmpty } from './files.ts';

/** A user id that no other sandbox has, so that one broken-out monitor cannot reach another's. */
export interface MonitorUid {
  readonly containerUid: number;
  /** The same user, as ucrun's own namespace has it. */
  readonly hostUid: number;
}

/**
 * Take a user id out of a range. Who has it is one file per id, created exclusively, so that two ucruns cannot take the same.
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
  const directory = `${stateRoot}/uids`;
  for (const uid of listDirectory(directory)) {
    if (readTextIfThere(`${directory}/${uid}`) === ownerText(owner))
      rmSync(`${directory}/${uid}`, { force: true });
  }
  removeIfEmpty(directory);
}

function ownerText(owner: string): string {
  return `${owner}\n`;
}

function claim(stateRoot: string, hostUid: number, owner: string): boolean {
  for (;;) {
    try {
      writeFileSync(`${stateRoot}/uids/${hostUid}`, ownerText(owner), { flag: 'wx', mode: 0o600 });
      return true;
    } catch (error) {
      if (isErrno(error, 'EEXIST')) return false;
      if (!isErrno(error, 'ENOENT')) throw error;
      // The folder is missing: nobody had an id, or the last one was given back just now.
      mkdirSync(`${stateRoot}/uids`, { recursive: true, mode: 0o700 });
    }
  }
}
