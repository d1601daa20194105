import { mkdirSync, rmdirSync, rmSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { nearest } from '../base/nearest.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { exists, listDirectory, makeDirectory, readTextIfThere, writeFileAtomic } from '../host/files.ts';
import { withLock } from '../host/lock.ts';
import { noteChange } from './changes.ts';
import { type MachineFiles, type MachinePlaces, machineFiles } from './places.ts';
import { type MachineRecord, parseRecord } from './record.ts';

/** Copying a unikernel's files may take its time. */
const lockTimeoutMs = 30_000;

/** A machine whose record cannot be read. */
export interface BrokenMachine {
  readonly name: string;
  readonly problem: RuntimeError;
}

/** The records of the machines of one scope, each a file that is there whole or not at all. */
export class MachineStore {
  readonly places: MachinePlaces;

  constructor(places: MachinePlaces) {
    this.places = places;
  }

  files(name: string): MachineFiles {
    return machineFiles(this.places, name);
  }

  /** Their names, sorted. */
  names(): readonly string[] {
    return listDirectory(this.places.store)
      .filter((name) => isMachineName(name) && exists(this.files(name).record))
      .toSorted();
  }

  /** @throws RuntimeError MACHINE_UNKNOWN, MACHINE_INVALID */
  read(name: string): MachineRecord {
    const { record } = this.files(checkMachineName(name));
    const text = readTextIfThere(record);
    if (text !== undefined) return parseRecord(text, record);
    const names = this.names();
    const near = nearest(name, names);
    throw new RuntimeError('MACHINE_UNKNOWN', `machine "${name}" is unknown`, {
      hint:
        near === undefined
          ? `"ucrun machine ps --all" lists the ${this.places.scope === 'user' ? "user's machines" : 'machines'}`
          : `did you mean "${near}"?`,
    });
  }

  /** All of them; one that cannot be read keeps no other from being listed. */
  readAll(): readonly (MachineRecord | BrokenMachine)[] {
    return this.names().map((name) => {
      try {
        return this.read(name);
      } catch (problem) {
        if (problem instanceof RuntimeError) return { name, problem };
        throw problem;
      }
    });
  }

  /**
   * Make a machine, whole or not at all.
   * @param fill puts its files into its directory, and says what it is
   * @throws RuntimeError MACHINE_EXISTS
   */
  async create(name: string, fill: (files: MachineFiles) => Promise<MachineRecord>): Promise<MachineRecord> {
    const files = this.files(checkMachineName(name));
    this.#makeStore();
    return await this.lock(name, async () => {
      if (exists(files.record)) {
        throw new RuntimeError('MACHINE_EXISTS', `there is a machine "${name}" already`, {
          hint: 'choose another name, or remove it with "ucrun machine rm"',
        });
      }
      // What a create that was killed has left.
      rmSync(files.directory, { recursive: true, force: true });
      makeDirectory(files.directory, 0o711);
      try {
        const record = await fill(files);
        this.write(record);
        noteChange(files, { time: record.created, started: undefined, status: 'created' });
        return record;
      } catch (error) {
        rmSync(files.directory, { recursive: true, force: true });
        throw error;
      }
    });
  }

  /** Change a record, alone. @throws RuntimeError MACHINE_UNKNOWN, MACHINE_INVALID */
  async change(name: string, change: (record: MachineRecord) => MachineRecord): Promise<MachineRecord> {
    return await this.lock(name, () => {
      const changed = change(this.read(name));
      this.write(changed);
      noteChange(this.files(name), { started: undefined, status: undefined });
      return changed;
    });
  }

  /** Remove a machine with all that it has. */
  async remove(name: string): Promise<void> {
    const { directory, run, record } = this.files(checkMachineName(name));
    await this.lock(name, () => {
      // Without its record it is none any more, whatever happens to the rest.
      rmSync(record, { force: true });
      rmSync(directory, { recursive: true, force: true });
      rmSync(run, { recursive: true, force: true });
    });
    removeIfEmpty(this.places.run);
  }

  /** Do something that nobody else is to do with the same machine. */
  async lock<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    if (!exists(this.places.store)) this.read(name);
    return await withLock(this.files(name).lock, `machine "${name}"`, lockTimeoutMs, work);
  }

  /** Only by whoever has the lock. It may hold secrets, so only its owner can read it. */
  write(record: MachineRecord): void {
    writeFileAtomic(this.files(record.name).record, `${JSON.stringify(record, undefined, 2)}\n`, 0o600);
  }

  #makeStore(): void {
    const { store } = this.places;
    try {
      mkdirSync(store, { recursive: true, mode: 0o711 });
    } catch (cause) {
      if (!isErrno(cause, 'EACCES', 'EPERM', 'EROFS')) throw cause;
      throw new RuntimeError('HOST_FAILED', `cannot write to ${store}`, {
        cause,
        hint: 'run the command as root, or with --user for machines of your own',
      });
    }
  }
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'EBUSY', 'EACCES')) throw error;
  }
}

export function isBroken(machine: MachineRecord | BrokenMachine): machine is BrokenMachine {
  return 'problem' in machine;
}

const namePattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;

function isMachineName(name: string): boolean {
  return namePattern.test(name);
}

/** @throws RuntimeError MACHINE_INVALID */
export function checkMachineName(name: string): string {
  if (isMachineName(name)) return name;
  throw new RuntimeError('MACHINE_INVALID', `"${name}" cannot be the name of a machine`, {
    hint: 'a name has up to 64 of a-z 0-9 . _ - and begins with a letter or digit',
  });
}
