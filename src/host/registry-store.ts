import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { exists, listDirectory, makeDirectory } from './files.ts';
import { processStartTime } from './processes.ts';

/** A place in a registry for a unikernel that is not whole yet. Its name begins with a dot, so nobody takes it for one. */
export interface Staging {
  /** What is put there becomes the unikernel's directory. */
  readonly entry: string;
  /** For what is needed on the way. */
  readonly scratch: string;
  /**
   * Make it the unikernel of that name, whole or not at all.
   * @throws RuntimeError UNIKERNEL_EXISTS if there is one, unless it is to be replaced
   */
  commit(name: string, replace: boolean): void;
  /** Remove what is left of it; nothing to do after a commit but for the scratch. */
  discard(): void;
}

/**
 * The registry that commands write to: the first of the configuration. It is made if it is missing.
 * @throws RuntimeError HOST_FAILED if there is none, or this user may not write to it
 */
export function writableRegistry(registries: readonly string[]): string {
  const [registry] = registries;
  if (registry === undefined) {
    throw new RuntimeError('HOST_FAILED', 'there is no registry to write to', {
      hint: 'name a directory in "registries" of ucrun\'s config.toml',
    });
  }
  try {
    if (mkdirSync(registry, { recursive: true }) !== undefined) chmodSync(registry, 0o755);
    accessSync(registry, constants.W_OK | constants.X_OK);
    return registry;
  } catch (cause) {
    if (!isErrno(cause, 'EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST')) throw cause;
    throw new RuntimeError('HOST_FAILED', `cannot write to the registry ${registry}`, {
      cause,
      hint: 'run the command as root, or put a directory of your own first in "registries" of ~/.config/ucrun/config.toml',
    });
  }
}

/** Begin to write a unikernel. What commands that were killed have left behind is removed first. */
export function openStaging(registry: string): Staging {
  removeStale(registry);
  const directory = `${registry}/${ownName('new')}`;
  const entry = `${directory}/entry`;
  const scratch = `${directory}/scratch`;
  for (const path of [directory, entry, scratch]) makeDirectory(path, 0o755);
  return {
    entry,
    scratch,
    commit(name, replace) {
      syncDirectory(entry);
      const place = `${registry}/${name}`;
      if (replace) setAside(registry, place);
      try {
        // A directory with something in it is not replaced by this, so of two commands one wins.
        renameSync(entry, place);
      } catch (cause) {
        if (isErrno(cause, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) throw alreadyThere(registry, name, cause);
        throw cause;
      }
      syncDirectory(registry);
    },
    discard: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Fails early where {@link Staging.commit} would fail. @throws RuntimeError UNIKERNEL_EXISTS */
export function checkFree(registry: string, name: string): void {
  if (exists(`${registry}/${name}`)) throw alreadyThere(registry, name);
}

/** Take a unikernel out of its registry, whole or not at all, and remove it. */
export function removeEntry(directory: string): void {
  const registry = directory.slice(0, directory.lastIndexOf('/'));
  removeStale(registry);
  setAside(registry, directory);
}

/** Nobody sees a unikernel with some of its files: it changes its name before they go. */
function setAside(registry: string, directory: string): void {
  const aside = `${registry}/${ownName('old')}`;
  try {
    renameSync(directory, aside);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  rmSync(aside, { recursive: true, force: true });
}

let count = 0;

/** A name that tells who works there: the namespace of process ids, the process, and when it started. */
function ownName(kind: 'new' | 'old'): string {
  const { pid } = process;
  return `.${kind}-${pidNamespace()}-${pid}-${processStartTime(pid)}-${count++}`;
}

const namePattern = /^\.(?:new|old)-(\d+)-(\d+)-(\d+)-\d+$/;
/** Whether a process of another namespace still runs is not to be seen; after a day it does not. */
const foreignAgeMs = 24 * 3600 * 1000;

function removeStale(registry: string): void {
  for (const name of listDirectory(registry)) {
    const [, namespace, pid, startTime] = namePattern.exec(name) ?? [];
    if (startTime === undefined) continue;
    const path = `${registry}/${name}`;
    const isStale =
      namespace === pidNamespace()
        ? processStartTime(Number(pid)) !== startTime
        : Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) > foreignAgeMs;
    if (isStale) rmSync(path, { recursive: true, force: true });
  }
}

function pidNamespace(): string {
  return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function alreadyThere(registry: string, name: string, cause?: unknown): RuntimeError {
  return new RuntimeError('UNIKERNEL_EXISTS', `the registry ${registry} has a unikernel "${name}" already`, {
    cause,
    hint: 'choose another name, remove it with "ucrun image rm", or replace it with --replace',
  });
}
