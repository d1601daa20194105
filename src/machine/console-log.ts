import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
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
  const older = readTextIfThere(`${path}.1`) ?? '';
  const reader = new GrowingFile(path);
  const there = [...`${older}${reader.read()}`.split('\n')].flatMap(parseLogLine).filter(isWanted);
  yield* tail === undefined ? there : tail === 0 ? [] : there.slice(-tail);
  if (!follow) return;
  while (!signal.aborted) {
    // Asked before the last look, so that nothing is missed.
    const isLast = isOver() || (until !== undefined && Date.now() > until);
    yield* reader.read().split('\n').flatMap(parseLogLine).filter(isWanted);
    if (isLast) return;
    await delay(pollMs, undefined, { signal }).catch(() => {});
  }
}

/** A line as the wrapper writes it: `2026-01-02T03:04:05.678901Z text`. */
export function parseLogLine(line: string): readonly LogLine[] {
  const [, time, text = ''] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z) (.*)$/s.exec(line) ?? [];
  return time === undefined ? [] : [{ time, text: text.replace(/\r$/, '') }];
}

/** Whole lines of a file that somebody writes to, and begins anew when it is long. */
class GrowingFile {
  readonly #path: string;
  #offset = 0;
  #inode = 0;
  #rest = '';

  constructor(path: string) {
    this.#path = path;
  }

  /** What has come since the last time, up to the last whole line. */
  read(): string {
    if (!existsSync(this.#path)) return '';
    const { ino, size } = statSync(this.#path);
    if (ino !== this.#inode || size < this.#offset) {
      this.#inode = ino;
      this.#offset = 0;
      this.#rest = '';
    }
    const pieces = [this.#rest];
    const fd = openSync(this.#path, 'r');
    try {
      const buffer = Buffer.alloc(chunkBytes);
      for (;;) {
        const count = readSync(fd, buffer, 0, chunkBytes, this.#offset);
        if (count === 0) break;
        this.#offset += count;
        pieces.push(buffer.toString('latin1', 0, count));
      }
    } finally {
      closeSync(fd);
    }
    const text = pieces.join('');
    const end = text.lastIndexOf('\n') + 1;
    this.#rest = text.slice(end);
    return Buffer.from(text.slice(0, end), 'latin1').toString('utf8');
  }
}
