import type { KernelReader } from '../../../src/unikernel/kernel-format.ts';

export interface ElfParts {
  readonly bits?: 32 | 64;
  readonly machine?: number;
  readonly notes?: readonly Uint8Array[];
  readonly sections?: Readonly<Record<string, Uint8Array>>;
  /** Texts among the code, each behind a zero byte and with one at its end. */
  readonly texts?: readonly string[];
  readonly multiboot?: boolean;
}

/** An ELF note. */
export function note(owner: string, type: number, description: Uint8Array): Buffer {
  const name = Buffer.from(`${owner}\0`);
  const bytes = Buffer.alloc(12 + align(name.length) + align(description.length));
  bytes.writeUInt32LE(name.length, 0);
  bytes.writeUInt32LE(description.length, 4);
  bytes.writeUInt32LE(type, 8);
  name.copy(bytes, 12);
  bytes.set(description, 12 + align(name.length));
  return bytes;
}

/** Numbers as a note's description has them. */
export function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, index * 4);
  return bytes;
}

export const pvhNote = note('Xen', 18, words(0x100000));

/** A small ELF file: its header, a note segment, a multiboot header, texts, sections and their table. */
export function elfFile(parts: ElfParts = {}): Buffer {
  const { bits = 64, machine = 62, notes = [], sections = {}, texts = [], multiboot = false } = parts;
  const is64 = bits === 64;
  const headerBytes = is64 ? 64 : 52;
  const segmentBytes = is64 ? 56 : 32;
  const sectionBytes = is64 ? 64 : 40;
  const pieces: Buffer[] = [Buffer.alloc(headerBytes + segmentBytes + (is64 ? 0 : 4))];
  const sizeOf = (list: readonly Uint8Array[]) => list.reduce((total, { length }) => total + length, 0);
  const add = (bytes: Uint8Array) => {
    const offset = sizeOf(pieces);
    pieces.push(Buffer.concat([bytes, Buffer.alloc(align(bytes.length) - bytes.length)]));
    return { offset, size: bytes.length };
  };
  if (multiboot) add(words(0x1badb002, 0, 0x1_0000_0000 - 0x1badb002));
  const notePlace = add(Buffer.concat(notes));
  add(Buffer.from(texts.map((text) => `\0${text}\0`).join(''), 'latin1'));
  const placed = Object.entries(sections).map(([name, bytes]) => ({ name, ...add(bytes) }));
  const names = ['', ...placed.map(({ name }) => name), '.shstrtab'];
  const nameTable = { name: '.shstrtab', ...add(Buffer.from(names.map((name) => `${name}\0`).join(''))) };
  const headers = [undefined, ...placed, nameTable].map((section, index) => {
    const bytes = Buffer.alloc(sectionBytes);
    if (section === undefined) return bytes;
    bytes.writeUInt32LE(
      names.slice(0, index).reduce((total, name) => total + name.length + 1, 0),
      0,
    );
    bytes.writeUInt32LE(1, 4);
    writeLong(bytes, is64, is64 ? 24 : 16, section.offset);
    writeLong(bytes, is64, is64 ? 32 : 20, section.size);
    return bytes;
  });
  const table = add(Buffer.concat(headers));
  const file = Buffer.concat(pieces);
  file.set([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1]);
  file.writeUInt16LE(machine, 18);
  writeLong(file, is64, is64 ? 32 : 28, headerBytes);
  writeLong(file, is64, is64 ? 40 : 32, table.offset);
  const counts = is64 ? 54 : 42;
  const values = [segmentBytes, 1, sectionBytes, headers.length, headers.length - 1];
  for (const [index, value] of values.entries()) file.writeUInt16LE(value, counts + 2 * index);
  file.writeUInt32LE(4, headerBytes);
  writeLong(file, is64, headerBytes + (is64 ? 8 : 4), notePlace.offset);
  writeLong(file, is64, headerBytes + (is64 ? 32 : 16), notePlace.size);
  return file;
}

/** A reader that fails on what a file would refuse. */
export function readerOf(bytes: Uint8Array): KernelReader {
  return {
    sizeBytes: bytes.length,
    read(offset, length) {
      if (!Number.isSafeInteger(offset) || offset < 0) throw new RangeError(`offset ${offset}`);
      if (!Number.isSafeInteger(length) || length < 0) throw new RangeError(`length ${length}`);
      return Uint8Array.from(bytes.subarray(offset, offset + length));
    },
  };
}

function writeLong(bytes: Buffer, is64: boolean, at: number, value: number): void {
  if (is64) bytes.writeBigUInt64LE(BigInt(value), at);
  else bytes.writeUInt32LE(value, at);
}

function align(size: number): number {
  return (size + 3) & ~3;
}
