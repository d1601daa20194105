import type { KernelReader } from './kernel-format.ts';

/** What an ELF file says about itself beside its code. */
export interface ElfFile {
  readonly bits: 32 | 64;
  /** The processor it is for, as its header numbers them. */
  readonly machine: number;
  readonly notes: readonly ElfNote[];
  readonly sections: readonly ElfSection[];
}

export interface ElfNote {
  readonly owner: string;
  readonly type: number;
  readonly description: Uint8Array;
}

/** A section that has a place in the file. */
export interface ElfSection {
  readonly name: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

/** The numbers by which ELF headers call the processors that QEMU has machines for. */
export const elfMachines = { i386: 3, x86_64: 62, aarch64: 183 } as const;

const programHeaderNote = 4;
const sectionNote = 7;
const sectionWithoutBytes = 8;
const maxNoteBytes = 64 * 1024;
const maxNameBytes = 256 * 1024;
const maxHeaders = 512;

/**
 * Read the notes and the names of the sections of a little-endian ELF file. A file may claim anything: what lies outside of it,
 * or is more than any kernel has, is left out.
 * @returns undefined if it is no such file
 * @see System V Application Binary Interface, "Object Files"; elf(5)
 */
export function readElf(file: KernelReader): ElfFile | undefined {
  const head = view(file.read(0, 64));
  if (head.byteLength < 64 || head.getUint32(0) !== 0x7f454c46 || head.getUint8(5) !== 1) return undefined;
  const elfClass = head.getUint8(4);
  if (elfClass !== 1 && elfClass !== 2) return undefined;
  const layout = elfClass === 2 ? layout64 : layout32;
  const segments = readTable(file, head, layout.programTable).map(layout.segment);
  const headers = readTable(file, head, layout.sectionTable).map(layout.section);
  const names = headers[head.getUint16(layout.nameTableIndex, true)];
  const noteParts = [
    ...segments.filter(({ type }) => type === programHeaderNote),
    ...headers.filter(({ type }) => type === sectionNote),
  ];
  return {
    bits: layout.bits,
    machine: head.getUint16(18, true),
    notes: noteParts.flatMap((part) => parseNotes(view(readPart(file, part, maxNoteBytes)))),
    sections: names === undefined ? [] : nameSections(headers, readPart(file, names, maxNameBytes)),
  };
}

interface Part {
  readonly type: number;
  readonly offset: number;
  readonly sizeBytes: number;
}

interface SectionHeader extends Part {
  readonly nameOffset: number;
}

interface TableFields {
  readonly offset: (head: DataView) => number;
  readonly entrySize: number;
  readonly count: number;
  readonly smallestEntry: number;
}

const word = (data: DataView, at: number) => data.getUint32(at, true);
const long = (data: DataView, at: number) => Number(data.getBigUint64(at, true));

const layout32 = {
  bits: 32,
  programTable: { offset: (head: DataView) => word(head, 28), entrySize: 42, count: 44, smallestEntry: 32 },
  sectionTable: { offset: (head: DataView) => word(head, 32), entrySize: 46, count: 48, smallestEntry: 40 },
  nameTableIndex: 50,
  segment: (data: DataView): Part => ({
    type: word(data, 0),
    offset: word(data, 4),
    sizeBytes: word(data, 16),
  }),
  section: (data: DataView): SectionHeader => ({
    nameOffset: word(data, 0),
    type: word(data, 4),
    offset: word(data, 16),
    sizeBytes: word(data, 20),
  }),
} as const;

const layout64 = {
  bits: 64,
  programTable: { offset: (head: DataView) => long(head, 32), entrySize: 54, count: 56, smallestEntry: 56 },
  sectionTable: { offset: (head: DataView) => long(head, 40), entrySize: 58, count: 60, smallestEntry: 64 },
  nameTableIndex: 62,
  segment: (data: DataView): Part => ({
    type: word(data, 0),
    offset: long(data, 8),
    sizeBytes: long(data, 32),
  }),
  section: (data: DataView): SectionHeader => ({
    nameOffset: word(data, 0),
    type: word(data, 4),
    offset: long(data, 24),
    sizeBytes: long(data, 32),
  }),
} as const;

function readTable(file: KernelReader, head: DataView, fields: TableFields): readonly DataView[] {
  const offset = fields.offset(head);
  const entrySize = head.getUint16(fields.entrySize, true);
  const count = Math.min(head.getUint16(fields.count, true), maxHeaders);
  if (entrySize < fields.smallestEntry || offset > file.sizeBytes) return [];
  const table = file.read(offset, entrySize * count);
  return Array.from({ length: Math.floor(table.length / entrySize) }, (_, index) =>
    view(table.subarray(index * entrySize, (index + 1) * entrySize)),
  );
}

function readPart(file: KernelReader, { offset, sizeBytes }: Part, maxBytes: number): Uint8Array {
  return offset > file.sizeBytes ? new Uint8Array() : file.read(offset, Math.min(sizeBytes, maxBytes));
}

function nameSections(headers: readonly SectionHeader[], names: Uint8Array): readonly ElfSection[] {
  return headers.flatMap(({ type, nameOffset, offset, sizeBytes }) =>
    type === sectionWithoutBytes ? [] : [{ name: textAt(names, nameOffset), offset, sizeBytes }],
  );
}

function parseNotes(data: DataView): readonly ElfNote[] {
  const notes: ElfNote[] = [];
  let at = 0;
  while (at + 12 <= data.byteLength) {
    const ownerSize = word(data, at);
    const descriptionSize = word(data, at + 4);
    const descriptionAt = at + 12 + align4(ownerSize);
    if (descriptionAt + descriptionSize > data.byteLength) break;
    notes.push({
      owner: textAt(bytesOf(data, at + 12, ownerSize), 0),
      type: word(data, at + 8),
      description: bytesOf(data, descriptionAt, descriptionSize),
    });
    at = descriptionAt + align4(descriptionSize);
  }
  return notes;
}

/** The text up to its zero byte, or to the end of what there is. */
function textAt(bytes: Uint8Array, offset: number): string {
  const rest = bytes.subarray(offset);
  const end = rest.indexOf(0);
  return Buffer.from(end === -1 ? rest : rest.subarray(0, end)).toString('latin1');
}

function bytesOf(data: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset + offset, length);
}

function align4(size: number): number {
  return Math.ceil(size / 4) * 4;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
