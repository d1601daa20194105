import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isErrno } from '../base/errno.ts';
import { readTextIfThere } from '../host/files.ts';
import type { LogLine, LogOptions } from './service.ts';

const pollMs = 100;
const chunkBytes = 64 * 1024;

/**
 * The lines of a machine's log that its wrapper wrote.
 * @param isOver whether nothing more will come, for a reader that follows
 */
export async function* readConsoleLog(
  path: string,
  { follow, since, until, tail, signal }: LogOptions,
  isOver: () => boolean,
): AsyncIterable<LogLine> {
  const isWanted = (line: LogLine) => {
    const time = Date.parse(line.time);
    return (since === undefined || time >= since) && (until === undefined || time < until);
  };
  const reader = new ConsoleLogReader(path);
  try {
    const there = reader.readAll().split('\n').flatMap(parseLogLine).filter(isWanted);
    yield* tail === undefined ? there : tail === 0 ? [] : there.slice(-tail);
    if (!follow) return;
    while (!signal.aborted) {
      // Asked before the last look, so that nothing is missed.
      const isLast = isOver() || (until !== undefined && Date.now() > until);
      yield* reader.read().split('\n').flatMap(parseLogLine).filter(isWanted);
      if (isLast) return;
      await delay(pollMs, undefined, { signal }).catch(() => {});
    }
  } finally {
    reader.close();
  }
}

/** A line as the wrapper writes it: `2026-01-02T03:04:05.678901Z text`. */
export function parseLogLine(line: string): readonly LogLine[] {
  const [, time, text = ''] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z) (.*)$/s.exec(line) ?? [];
  return time === undefined ? [] : [{ time, text: text.replace(/\r$/, '') }];
}

/** The log of a machine that may run: it grows, and once it is long it becomes `PATH.1` and is begun anew. */
class ConsoleLogReader {
  readonly #path: string;
  #file: GrowingFile | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** All that there is, the older file first. */
  readAll(): string {
    const newer = this.read();
    // Asked after the newer one was opened: that may have become the older one meanwhile.
    const isSame = this.#file?.isAt(`${this.#path}.1`);
    return (isSame ? '' : (readTextIfThere(`${this.#path}.1`) ?? '')) + newer;
  }

  /** What has come since the last time, up to the last whole line. */
  read(): string {
    // Asked first, since nothing is added to a file once there is another in its place.
    const isCurrent = this.#file?.isAt(this.#path) ?? false;
    const text = this.#file?.read() ?? '';
    if (isCurrent) return text;
    const next = GrowingFile.openIfThere(this.#path);
    if (next === undefined) return text;
    this.close();
    this.#file = next;
    return text + next.read();
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

/** Whole lines of a file that somebody writes to. It is read to its end even if another takes its place. */
class GrowingFile {
  readonly #fd: number;
  readonly #inode: number;
  #offset = 0;
  #rest = '';

  private constructor(fd: number) {
    this.#fd = fd;
    this.#inode = fstatSync(fd).ino;
  }

  static openIfThere(path: string): GrowingFile | undefined {
    try {
      return new GrowingFile(openSync(path, 'r'));
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  /** Whether it is what is at this path. */
  isAt(path: string): boolean {
    return statSync(path, { throwIfNoEntry: false })?.ino === this.#inode;
  }

  read(): string {
    const pieces = [this.#rest];
    const buffer = Buffer.alloc(chunkBytes);
    for (;;) {
      const count = readSync(this.#fd, buffer, 0, chunkBytes, this.#offset);
      if (count === 0) break;
      this.#offset += count;
      pieces.push(buffer.toString('latin1', 0, count));
    }
    const text = pieces.join('');
    const end = text.lastIndexOf('\n') + 1;
    this.#rest = text.slice(end);
    return Buffer.from(text.slice(0, end), 'latin1').toString('utf8');
  }

  close(): void {
    closeSync(this.#fd);
  }
}
