import { appendFileSync, closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { writeFileAtomic } from '../host/files.ts';
import { readHistory } from './history.ts';
import type { MachineFiles } from './places.ts';
import type { MachineStatus } from './service.ts';

/** The file is begun anew when it has grown to this. */
const maxFileBytes = 64 * 1024;

/** A change of a machine's state, as it is written down when it happens. */
export interface Change {
  /** ISO 8601. */
  readonly time: string;
  /** Since when the run lasts that it belongs to; undefined: to none. */
  readonly started: string | undefined;
  /** undefined: something else has changed, and is to be looked up. */
  readonly status: MachineStatus | undefined;
  readonly exitStatus?: number | undefined;
  readonly problem?: string | undefined;
  /** By whose word it is: QEMU's own time, see history.ts. */
  readonly qemuTime?: number | undefined;
}

/**
 * Write changes down, each a line of JSON. Those of a machine that is gone are nobody's any more, and nothing that happens to a machine
 * fails because there is no room to tell of it.
 */
export function noteChanges({ changes }: Pick<MachineFiles, 'changes'>, noted: readonly Change[]): void {
  if (noted.length === 0) return;
  const text = noted.map((change) => `${JSON.stringify(change)}\n`).join('');
  try {
    const size = statSync(changes, { throwIfNoEntry: false })?.size ?? 0;
    if (size > maxFileBytes) writeFileAtomic(changes, text, 0o600);
    else appendFileSync(changes, text, { mode: 0o600 });
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOSPC', 'EDQUOT')) throw error;
  }
}

/** Write down that a machine has changed now. */
export function noteChange(
  files: Pick<MachineFiles, 'changes'>,
  change: Omit<Change, 'time'> & { readonly time?: string },
): void {
  noteChanges(files, [{ time: new Date().toISOString(), ...change }]);
}

/** What QEMU tells of a run. @param started that run's; nothing of it was before */
export function qemuChanges(files: Pick<MachineFiles, 'qemu'>, started: string): readonly Change[] {
  const earliest = Date.parse(started);
  const now = Date.now();
  return readHistory(files).map(({ time, status }) => ({
    time: new Date(Math.min(Math.max(time, earliest), now)).toISOString(),
    started,
    status,
    qemuTime: time,
  }));
}

/** Reads what is added to a machine's changes, to their last even when the machine has been removed. */
export class ChangesTail {
  readonly #path: string;
  #fd: number | undefined;
  #offset = 0;
  #rest = '';

  /** @param fromEnd whether what is there by now is of no interest */
  constructor(path: string, fromEnd: boolean) {
    this.#path = path;
    this.#open();
    if (fromEnd && this.#fd !== undefined) this.#offset = fstatSync(this.#fd).size;
  }

  read(): readonly Change[] {
    const found = this.#drain();
    const current = statSync(this.#path, { throwIfNoEntry: false });
    const own = this.#fd === undefined ? undefined : fstatSync(this.#fd);
    if (current === undefined || current.ino === own?.ino) return found;
    this.close();
    this.#open();
    return [...found, ...this.#drain()];
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): void {
    try {
      this.#fd = openSync(this.#path, 'r');
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
    this.#offset = 0;
    this.#rest = '';
  }

  #drain(): readonly Change[] {
    if (this.#fd === undefined) return [];
    const length = fstatSync(this.#fd).size - this.#offset;
    if (length <= 0) return [];
    const buffer = Buffer.alloc(length);
    const count = readSync(this.#fd, buffer, 0, length, this.#offset);
    this.#offset += count;
    const lines = (this.#rest + buffer.toString('utf8', 0, count)).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.flatMap((line) => parseChange(line) ?? []);
  }
}

/** undefined for a line that a full disk has cut off. */
function parseChange(line: string): Change | undefined {
  try {
    return JSON.parse(line) as Change;
  } catch {
    return undefined;
  }
}
