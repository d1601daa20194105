import { lstatSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { RuntimeError } from '../../base/runtime-error.ts';
import { exists, listDirectory } from '../../host/files.ts';
import { removeOverlayFolder } from '../../host/overlay-directory.ts';
import { staleUidLinks } from '../../host/uid-pool.ts';
import { isAlive } from '../../runtime/init-process.ts';
import { type ContainerRecord, readRecord } from '../../runtime/record.ts';
import { removeState } from '../../runtime/remove-state.ts';
import { crunRootOf, overlayDirectory, pathsOf } from '../../runtime/state-dir.ts';
import { type Check, not, ok } from './check.ts';
import type { DoctorContext } from './context.ts';

/** Something that is left of a container that is gone. */
export interface Stale {
  readonly what: string;
  remove(): void;
}

/** Younger than this it may belong to a container that is just being made. */
const youngMs = 60_000;

/**
 * What is left of containers that are gone: records, user ids, overlays. A container is there as long as crun knows it, its process lives, or
 * any process has its id among its arguments or in its cgroups, as the engine's monitor has.
 * @param minAgeMs how long it has to have been as it is
 */
export function findStale(
  { stateRoot, config, isHostRoot, home }: DoctorContext,
  minAgeMs = youngMs,
): readonly Stale[] {
  const held = heldIds();
  const names = listDirectory(stateRoot);
  const states = names.flatMap((name): Stale[] => {
    const id = idOf(name);
    const paths = pathsOf(`${stateRoot}/${name}`);
    if (id === undefined || held(id) || isYoung(paths.directory, minAgeMs)) return [];
    const record = readIfWhole(() => readRecord(paths));
    if (record?.init !== undefined && isAlive(record.init)) return [];
    const crunRoot = crunRootOf(name);
    // Where crun has its state is not told by every name; then it cannot be asked whether it knows the container.
    if (crunRoot === undefined || exists(`${crunRoot}/${id}`)) return [];
    return [
      {
        what: `the record of container ${id} in ${paths.directory}`,
        remove: () => removeState(paths, record),
      },
    ];
  });
  const links = staleUidLinks(stateRoot).map((path) => ({
    what: `the user id ${path}`,
    remove: () => rmSync(path, { force: true }),
  }));
  const overlays = dirname(
    overlayDirectory(pathsOf(`${stateRoot}/any`), config.overlayDir, isHostRoot, home),
  );
  const disks = listDirectory(overlays).flatMap((name): Stale[] => {
    const id = idOf(name);
    const path = `${overlays}/${name}`;
    if (id === undefined || held(id) || names.includes(name) || isYoung(path, minAgeMs)) return [];
    return [{ what: `the overlays of container ${id} in ${path}`, remove: () => removeOverlayFolder(path) }];
  });
  return [...states, ...links, ...disks];
}

/** @param fixes whether to remove what is stale */
export function staleCheck(found: readonly Stale[], fixes: boolean): readonly Check[] {
  const what = 'stale state';
  if (found.length === 0) return [ok(what, 'none')];
  return found.map((stale) => {
    if (!fixes) return not('warning', what, stale.what, 'ucrun doctor --fix removes it');
    stale.remove();
    return ok(what, `removed ${stale.what}`);
  });
}

function idOf(name: string): string | undefined {
  // An id has no colon; crun's root before it may.
  return /^.+:([^:]+)$/.exec(name)?.[1];
}

function isYoung(path: string, minAgeMs: number): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat === undefined || Date.now() - stat.ctimeMs < minAgeMs;
}

/** A record that cannot be read tells nothing, and its container may be gone all the same. */
function readIfWhole(read: () => ContainerRecord | undefined): ContainerRecord | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof RuntimeError) return undefined;
    throw error;
  }
}

/** Whether a process has an id among its arguments, or is in a cgroup that is called by it. */
function heldIds(): (id: string) => boolean {
  const texts = listDirectory('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => `${readOrNothing(`/proc/${pid}/cmdline`)}\0${readOrNothing(`/proc/${pid}/cgroup`)}`);
  return (id) => texts.some((text) => text.includes(id));
}

/** A process may go away while it is looked at, or be none of this user's. */
function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
