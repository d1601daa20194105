import type { KernelReader } from './kernel-format.ts';

const chunkBytes = 1024 * 1024;
/** More than any unikernel kernel has; a disk image is not searched. */
const maxSearchedBytes = 256 * chunkBytes;
const maxMatchBytes = 256;

/**
 * Look for texts in a file, piece by piece.
 * @returns where each one that is there begins first
 */
export function findTexts<T extends string>(file: KernelReader, texts: readonly T[]): ReadonlyMap<T, number> {
  const found = new Map<T, number>();
  for (const { offset, chunk } of chunksOf(file)) {
    for (const text of texts) {
      const at = found.has(text) ? -1 : chunk.indexOf(text, 0, 'latin1');
      if (at !== -1) found.set(text, offset + at);
    }
    if (found.size === texts.length) break;
  }
  return found;
}

/** The first match of a pattern in a file, taken as Latin-1; a match of up to 256 bytes is never missed. */
export function findPattern(file: KernelReader, pattern: RegExp): RegExpExecArray | undefined {
  for (const { chunk } of chunksOf(file)) {
    const match = pattern.exec(chunk.toString('latin1'));
    if (match !== null) return match;
  }
  return undefined;
}

function* chunksOf(file: KernelReader): Generator<{ readonly offset: number; readonly chunk: Buffer }> {
  const end = Math.min(file.sizeBytes, maxSearchedBytes);
  for (let offset = 0; offset < end; offset += chunkBytes) {
    // What lies across the border of two pieces is found in the first.
    const bytes = file.read(offset, chunkBytes + maxMatchBytes);
    yield { offset, chunk: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  }
}
