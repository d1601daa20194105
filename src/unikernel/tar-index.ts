import type { KernelReader } from './kernel-format.ts';

/** A file in a tar archive, and where its content is. */
export interface TarEntry {
  /** Without `./` before it. */
  readonly name: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

const blockBytes = 512;
const maxEntries = 16384;

/**
 * The regular files in a tar archive whose names fit into their headers, as all of an OCI archive's do. It is for reading in
 * place; a layer, which may hold anything, is for a library to read.
 * @returns undefined if it is no tar archive
 * @see POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format" (sizes in base 256)
 */
export function tarIndex(file: KernelReader): readonly TarEntry[] | undefined {
  const entries: TarEntry[] = [];
  let offset = 0;
  for (let count = 0; count < maxEntries && offset + blockBytes <= file.sizeBytes; count++) {
    const header = Buffer.from(file.read(offset, blockBytes));
    if (header.toString('latin1', 257, 262) !== 'ustar') break;
    const sizeBytes = sizeOf(header);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) break;
    offset += blockBytes;
    const type = header.toString('latin1', 156, 157);
    const isWhole = offset + sizeBytes <= file.sizeBytes;
    if (isWhole && (type === '0' || type === '\0'))
      entries.push({ name: textOf(header, 0, 100).replace(/^\.\//, ''), offset, sizeBytes });
    offset += Math.ceil(sizeBytes / blockBytes) * blockBytes;
  }
  return offset === 0 ? undefined : entries;
}

function sizeOf(header: Buffer): number {
  if (header[124] === 0x80) return Number(header.readBigUInt64BE(128));
  return Number.parseInt(textOf(header, 124, 12).trim() || '0', 8);
}

function textOf(header: Buffer, offset: number, length: number): string {
  return header.toString('latin1', offset, offset + length).replace(/\0.*$/s, '');
}
