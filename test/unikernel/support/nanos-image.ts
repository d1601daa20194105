import type { KernelReader } from '../../../src/unikernel/kernel-format.ts';

/**
 * A writer of Nanos disk images that shares nothing with the code under test. It was written from what
 * nanovms/nanos src/fs/tlog.c, src/runtime/tuple.c and nanovms/ops fs/mkfs.go, fs/tfs.go do.
 */
export type ManifestValue =
  | string
  | number
  | readonly string[]
  | RawFile
  | { readonly [name: string]: ManifestValue };

/** The content of a file, in place of the tuple that describes it. */
export class RawFile {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

export interface VolumeOptions {
  readonly version: 4 | 5;
  readonly root: { readonly [name: string]: ManifestValue };
  readonly label?: string;
  /** Of each log segment but the first. */
  readonly segmentSectors?: number;
  /** The longest piece of a value in one record. */
  readonly pieceBytes?: number;
  /** Values that are added in records of their own, after the root tuple. */
  readonly updates?: readonly { readonly [name: string]: ManifestValue }[];
}

export interface DiskOptions extends VolumeOptions {
  readonly hasEfi?: boolean;
  readonly kernel?: Uint8Array;
  readonly bootSectors?: number;
  /** Bytes that the root partition has beyond its content. */
  readonly freeBytes?: number;
}

const sector = 512;
const linkBytes = 24;

/** A disk as ops makes it: boot code, the kernel's log area, an EFI partition if asked for, boot and root file systems. */
export function nanosDisk(options: DiskOptions): Buffer {
  const { hasEfi = false, bootSectors = 64, freeBytes = 0 } = options;
  const start = 24 * sector;
  const efiBytes = hasEfi ? 8 * sector : 0;
  const bootAt = start + efiBytes;
  const rootAt = bootAt + bootSectors * sector;
  const boot = nanosVolume({
    version: options.version,
    segmentSectors: 8,
    root: { children: { kernel: new RawFile(options.kernel ?? Buffer.from('a kernel')) } },
  });
  if (boot.length > bootSectors * sector) throw new Error('the boot partition is too small');
  const root = nanosVolume(options);
  const disk = Buffer.alloc(rootAt + root.length + freeBytes);
  disk.fill('boot code', sector, start - 4096);
  disk.fill('stale', start - 4096, start);
  boot.copy(disk, bootAt);
  root.copy(disk, rootAt);
  const parts = [
    ...(hasEfi ? [{ type: 0xef, at: start, bytes: efiBytes }] : []),
    { type: 0x83, at: bootAt, bytes: bootSectors * sector },
    { type: 0x83, at: rootAt, bytes: disk.length - rootAt },
  ];
  for (const [index, { type, at, bytes }] of parts.entries()) {
    const entry = 446 + index * 16;
    disk[entry] = 0x80;
    disk[entry + 4] = type;
    disk.writeUInt32LE(at / sector, entry + 8);
    disk.writeUInt32LE(Math.floor(bytes / sector), entry + 12);
  }
  disk.set([0x55, 0xaa], 510);
  return disk;
}

/** A file system of its own, as a volume has it. */
export function nanosVolume(options: VolumeOptions): Buffer {
  return new VolumeWriter(options).write();
}

export function reader(disk: Uint8Array): KernelReader {
  return { sizeBytes: disk.length, read: (offset, length) => disk.subarray(offset, offset + length) };
}

class VolumeWriter {
  readonly #options: VolumeOptions;
  readonly #symbols = new Map<string, number>();
  #numbers = 0;
  readonly #segments: { readonly sector: number; readonly bytes: Buffer; end: number }[] = [];
  readonly #files: { readonly sector: number; readonly bytes: Uint8Array }[] = [];
  #nextSector = 0;

  constructor(options: VolumeOptions) {
    this.#options = options;
  }

  write(): Buffer {
    const { root, updates = [] } = this.#options;
    this.#openSegment(1);
    this.#openSegment(this.#segmentSectors);
    this.#addValue(this.#tuple(root));
    for (const update of updates)
      this.#addValue([...this.#header(0, 1, Object.keys(update).length), 1, ...this.#entries(update)]);
    const last = this.#lastSegment;
    last.bytes[last.end] = 1;
    const volume = Buffer.alloc(this.#nextSector * sector);
    for (const { sector: at, bytes } of [...this.#segments, ...this.#files]) volume.set(bytes, at * sector);
    return volume;
  }

  get #segmentSectors(): number {
    return this.#options.segmentSectors ?? 1024;
  }

  get #lastSegment(): { readonly sector: number; readonly bytes: Buffer; end: number } {
    const last = this.#segments.at(-1);
    if (last === undefined) throw new Error('there is no segment');
    return last;
  }

  #openSegment(sectors: number): void {
    const at = this.#nextSector;
    this.#nextSector += sectors;
    const previous = this.#segments.at(-1);
    if (previous !== undefined) {
      const link = Buffer.from([5, ...varint(at), ...varint(sectors), 1]);
      link.copy(previous.bytes, previous.end);
    }
    const identity =
      at === 0
        ? [
            ...Array.from({ length: 16 }, (_, index) => index * 17),
            ...Buffer.from(`${this.#options.label ?? ''}\0`),
          ]
        : [];
    const header = [
      ...Buffer.from('NVMTFS'),
      ...varint(this.#options.version),
      ...varint(sectors),
      ...identity,
    ];
    const bytes = Buffer.alloc(sectors * sector);
    bytes.set(header);
    this.#segments.push({ sector: at, bytes, end: header.length });
  }

  #addValue(value: readonly number[]): void {
    const { pieceBytes = Number.POSITIVE_INFINITY } = this.#options;
    for (let at = 0; at < value.length; ) {
      if (this.#room < 16) this.#openSegment(this.#segmentSectors);
      const piece = value.slice(at, at + Math.min(pieceBytes, this.#room - 10));
      const head = at === 0 ? [2, ...varint(value.length)] : [3];
      const segment = this.#lastSegment;
      const record = [...head, ...varint(piece.length), ...piece];
      segment.bytes.set(record, segment.end);
      segment.end += record.length;
      at += piece.length;
    }
  }

  get #room(): number {
    const { bytes, end } = this.#lastSegment;
    return bytes.length - end - linkBytes;
  }

  #value(value: ManifestValue): number[] {
    const { version } = this.#options;
    if (typeof value === 'string')
      return [...this.#header(1, version === 4 ? 0 : 4, Buffer.byteLength(value)), ...Buffer.from(value)];
    if (typeof value === 'number') {
      return version === 4
        ? this.#value(`${value}`)
        : [...this.#header(1, 3, value < 0 ? 1 : 0), ...varint(Math.abs(value))];
    }
    if (value instanceof RawFile) return this.#tuple(this.#file(value.bytes));
    if (!Array.isArray(value)) return this.#tuple(value as { readonly [name: string]: ManifestValue });
    if (version === 4) return this.#tuple(Object.fromEntries(value.map((text, index) => [`${index}`, text])));
    this.#numbers++;
    return [...this.#header(1, 2, value.length), ...value.flatMap((text) => this.#value(text))];
  }

  #tuple(tuple: { readonly [name: string]: ManifestValue }): number[] {
    this.#numbers++;
    return [...this.#header(1, 1, Object.keys(tuple).length), ...this.#entries(tuple)];
  }

  #entries(tuple: { readonly [name: string]: ManifestValue }): number[] {
    return Object.entries(tuple).flatMap(([name, value]) => [...this.#symbol(name), ...this.#value(value)]);
  }

  #symbol(name: string): number[] {
    const known = this.#symbols.get(name);
    if (known !== undefined) return this.#header(0, 0, known);
    this.#numbers++;
    this.#symbols.set(name, this.#numbers);
    return [...this.#header(1, 0, Buffer.byteLength(name)), ...Buffer.from(name)];
  }

  #file(bytes: Uint8Array): { readonly [name: string]: ManifestValue } {
    const sectors = Math.ceil(bytes.length / sector);
    const at = this.#nextSector;
    this.#nextSector += sectors;
    this.#files.push({ sector: at, bytes });
    const extent = { length: `${sectors}`, offset: `${at}`, allocated: `${sectors}` };
    return { filelength: bytes.length, extents: bytes.length === 0 ? {} : { 0: extent } };
  }

  #header(immediate: 0 | 1, type: number, size: number): number[] {
    const bits = this.#options.version === 4 ? 5 : 3;
    const groups: number[] = [];
    let rest = size;
    while (rest >= 2 ** bits) {
      groups.unshift((rest & 0x7f) | (groups.length === 0 ? 0 : 0x80));
      rest >>>= 7;
    }
    const more = groups.length > 0 ? 1 : 0;
    return [(immediate << 7) | (type << (bits + 1)) | (more << bits) | rest, ...groups];
  }
}

function varint(value: number): number[] {
  const low = value & 0x7f;
  const high = Math.floor(value / 128);
  return high === 0 ? [low] : [...varint(high).map((byte) => byte | 0x80), low];
}
