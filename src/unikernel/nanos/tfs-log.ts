import type { KernelReader } from '../kernel-format.ts';
import { ByteCursor } from './byte-cursor.ts';
import { imageInvalid } from './image-invalid.ts';
import { sectorBytes } from './partitions.ts';
import { TfsDecoder, type TfsVersion } from './tfs-decoder.ts';
import type { TfsTuple } from './tfs-value.ts';

/** @see nanovms/nanos src/fs/tlog.c */
export const recordTypes = {
  endOfLog: 1,
  tupleAvailable: 2,
  tupleExtended: 3,
  endOfSegment: 4,
  link: 5,
} as const;

export const tfsMagic = 'NVMTFS';

/** The log of one file system, all of it decoded, and what has to be known to add to it. */
export interface TfsLog {
  readonly root: TfsTuple;
  /** As `mounts` names a volume: `00112233-4455-6677-8899-aabbccddeeff`. */
  readonly uuid: string;
  readonly label: string;
  readonly dictionarySize: number;
  readonly symbolNumbers: ReadonlyMap<string, number>;
  /** The segment that the log ends in. */
  readonly last: LogSegment;
  /** Where in that segment the end-of-log record is. */
  readonly endOffset: number;
}

export interface LogSegment {
  /** From the start of the file system. */
  readonly offset: number;
  readonly sizeBytes: number;
  readonly version: TfsVersion;
}

/** The metadata of 100,000 files and more, in segments of 512 KiB. */
const maxLogBytes = 32 * 1024 * 1024;
const maxSegments = 1024;
const uuidBytes = 16;
const maxLabelBytes = 32;

/**
 * Read the log of a file system: segments of records, linked one to the next. A value may be spread over several
 * records, and over segments. The first segment is one sector and, as writers do it, holds nothing but a link.
 * @throws RuntimeError IMAGE_INVALID
 * @see nanovms/nanos src/fs/tlog.c (log_read_complete), nanovms/ops fs/tfs.go (readLogExt)
 */
export function readTfsLog(volume: KernelReader): TfsLog {
  const decoder = new TfsDecoder();
  const staged: Staged = { pieces: [], missing: 0 };
  const seen: LogRange[] = [];
  let next: LogRange | undefined = { offset: 0, sizeBytes: sectorBytes };
  let identity: VolumeIdentity | undefined;
  for (;;) {
    claimRange(seen, next, volume.sizeBytes);
    const cursor = new ByteCursor(readRange(volume, next));
    const version = readSegmentHeader(cursor);
    identity ??= readIdentity(cursor);
    const segment: LogSegment = { ...next, version };
    next = readRecords(cursor, segment, decoder, staged);
    if (next !== undefined) continue;
    return {
      root: decoder.root(),
      ...identity,
      dictionarySize: decoder.dictionarySize,
      symbolNumbers: decoder.symbolNumbers,
      last: segment,
      endOffset: cursor.at - 1,
    };
  }
}

/** How `mounts` may name a volume. @throws RuntimeError IMAGE_INVALID */
export function readVolumeIdentity(volume: KernelReader): VolumeIdentity {
  const cursor = new ByteCursor(readRange(volume, { offset: 0, sizeBytes: sectorBytes }));
  readSegmentHeader(cursor);
  return readIdentity(cursor);
}

export interface VolumeIdentity {
  readonly uuid: string;
  readonly label: string;
}

interface LogRange {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** A value of which some records are still to come. */
interface Staged {
  pieces: Buffer[];
  missing: number;
}

function readRange(volume: KernelReader, { offset, sizeBytes }: LogRange): Buffer {
  const bytes = volume.read(offset, sizeBytes);
  if (bytes.length < sizeBytes) throw imageInvalid('it is cut off in its log');
  return Buffer.from(bytes.buffer, bytes.byteOffset, sizeBytes);
}

/** Segments that come twice or overlap would make a log without an end. */
function claimRange(seen: LogRange[], range: LogRange, volumeBytes: number): void {
  const end = range.offset + range.sizeBytes;
  if (end > volumeBytes) throw imageInvalid('its log goes past the end of the disk');
  if (seen.some((other) => range.offset < other.offset + other.sizeBytes && other.offset < end))
    throw imageInvalid('its log has a segment twice');
  seen.push(range);
  const total = seen.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (total > maxLogBytes || seen.length > maxSegments)
    throw imageInvalid(`its log is longer than ${maxLogBytes} bytes or ${maxSegments} segments`);
}

/** The segment's own length follows, which nobody looks at: the link to it has it, too. */
function readSegmentHeader(cursor: ByteCursor): TfsVersion {
  if (cursor.take(tfsMagic.length).toString('latin1') !== tfsMagic)
    throw imageInvalid('a log segment does not start with its magic');
  const version = cursor.varint();
  if (version !== 4 && version !== 5) {
    throw imageInvalid(`its file system has version ${version}, and 4 and 5 are known`);
  }
  cursor.varint();
  return version;
}

function readIdentity(cursor: ByteCursor): VolumeIdentity {
  const hex = cursor.take(uuidBytes).toString('hex');
  const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  const start = cursor.at;
  while (cursor.byte() !== 0) {
    if (cursor.at - start >= maxLabelBytes) throw imageInvalid('its label has no end');
  }
  return { uuid, label: cursor.bytes.toString('utf8', start, cursor.at - 1) };
}

/** @returns the segment that a link leads to; undefined at the end of the log, which is the byte before the cursor */
function readRecords(
  cursor: ByteCursor,
  { version }: LogSegment,
  decoder: TfsDecoder,
  staged: Staged,
): LogRange | undefined {
  for (;;) {
    const type = cursor.byte();
    switch (type) {
      case recordTypes.endOfLog:
        if (staged.missing > 0) throw imageInvalid('its log ends inside a value');
        return undefined;
      case recordTypes.endOfSegment:
        break;
      case recordTypes.tupleAvailable: {
        if (staged.missing > 0) throw imageInvalid('a value starts inside another');
        const total = cursor.varint();
        stage(staged, cursor, total);
        if (staged.missing === 0) finish(staged, decoder, version);
        break;
      }
      case recordTypes.tupleExtended:
        stage(staged, cursor, staged.missing);
        if (staged.missing === 0) finish(staged, decoder, version);
        break;
      case recordTypes.link:
        return readLink(cursor);
      default:
        throw imageInvalid(`its log has a record of the unknown type ${type}`);
    }
  }
}

function stage(staged: Staged, cursor: ByteCursor, missing: number): void {
  const length = cursor.varint();
  if (length > missing) throw imageInvalid('a record is longer than its value');
  staged.pieces.push(cursor.take(length));
  staged.missing = missing - length;
}

function finish(staged: Staged, decoder: TfsDecoder, version: TfsVersion): void {
  const [first = Buffer.alloc(0)] = staged.pieces;
  const record = staged.pieces.length === 1 ? first : Buffer.concat(staged.pieces);
  staged.pieces = [];
  decoder.decode(record, version);
}

function readLink(cursor: ByteCursor): LogRange {
  const offset = cursor.varint() * sectorBytes;
  const sizeBytes = cursor.varint() * sectorBytes;
  if (sizeBytes === 0) throw imageInvalid('its log has an empty segment');
  return { offset, sizeBytes };
}
