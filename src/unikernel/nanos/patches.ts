import { RuntimeError } from '../../base/runtime-error.ts';
import type { DiskPatch } from '../disk-patch.ts';
import { fileEdits, type PlacedFile } from './file-edits.ts';
import type { NanosImage } from './image.ts';
import { imageInvalid } from './image-invalid.ts';
import { klogBytes } from './klog.ts';
import { manifestEdits } from './manifest-edits.ts';
import { sectorBytes } from './partitions.ts';
import type { NanosSettings } from './settings.ts';
import { encodeRootEdits, encodeVarint, type TfsEdit, type TfsEdits } from './tfs-encoder.ts';
import { recordTypes, type TfsLog, tfsMagic } from './tfs-log.ts';

export interface NanosPatchPlan {
  /** In the order of their offsets, which do not overlap. */
  readonly patches: readonly DiskPatch[];
  /** As large as the disk has to be with the patches, in whole sectors: what does not fit into the image's log is added at its end. */
  readonly diskSizeBytes: number;
}

/** As large as every segment but the first that writers make. @see nanovms/nanos src/config.h */
const newSegmentBytes = 512 * 1024;
/**
 * What stays free at the end of a segment: the kernel takes for granted that a link of the largest numbers, 21 bytes, and the
 * end of the log fit in there.
 */
const reservedBytes = 22;
const maxFileBytes = 1024 * 1024;

/**
 * The bytes to change on an image's disk so that the machine starts with these settings: a record at the end of the root file
 * system's log, an empty area for the kernel's last words, and new files.
 * @throws RuntimeError GUEST_UNSUPPORTED for what cannot be said to Nanos or is too long, IMAGE_INVALID if the log cannot go on
 */
export function planNanosPatches(image: NanosImage, settings: NanosSettings): NanosPatchPlan {
  const { root, log } = image;
  const grown = new GrowingDisk(root.offset, image.sizeBytes);
  const files = settings.files.map((file) => placeFile(file, grown));
  const directories = settings.mounts.map(({ path }) => path);
  const value = encodeRootEdits(
    log,
    joinEdits(manifestEdits(log.root, settings), fileEdits(log.root, files, directories)),
  );
  const patches = [
    { offset: image.klogOffset, bytes: new Uint8Array(klogBytes) },
    ...logPatches(log, value, grown).map(({ offset, bytes }) => ({ offset: root.offset + offset, bytes })),
    ...files
      .filter(({ content }) => content.length > 0)
      .map(({ sector, content }) => ({ offset: root.offset + sector * sectorBytes, bytes: content })),
  ];
  return {
    patches: patches.sort((a, b) => a.offset - b.offset),
    diskSizeBytes: grown.sizeBytes,
  };
}

/**
 * Room at the end of the disk. Nanos takes the root file system to end where the disk ends, so nothing has to be looked
 * for in between, and what is free in the image stays free for the guest.
 */
class GrowingDisk {
  readonly #rootOffset: number;
  #nextSector: number;

  constructor(rootOffset: number, sizeBytes: number) {
    this.#rootOffset = rootOffset;
    this.#nextSector = Math.ceil((sizeBytes - rootOffset) / sectorBytes);
  }

  /** @returns the sector, counted from the start of the root file system */
  add(sizeBytes: number): number {
    const sector = this.#nextSector;
    this.#nextSector += Math.ceil(sizeBytes / sectorBytes);
    return sector;
  }

  get sizeBytes(): number {
    return this.#rootOffset + this.#nextSector * sectorBytes;
  }
}

function placeFile(file: NanosSettings['files'][number], grown: GrowingDisk): PlacedFile {
  if (file.content.length > maxFileBytes) {
    throw new RuntimeError(
      'GUEST_UNSUPPORTED',
      `${JSON.stringify(file.path)} is too large for a Nanos guest`,
      {
        hint: `a file that is added to an image may have ${maxFileBytes} bytes`,
      },
    );
  }
  return { ...file, sector: grown.add(file.content.length) };
}

/** The names of the manifest, and `children`, never meet. */
function joinEdits(manifest: TfsEdits, files: TfsEdits): TfsEdits {
  return new Map<string, TfsEdit>([...manifest, ...files]);
}

/** @see nanovms/nanos src/fs/tlog.c (log_write_internal, log_extend) */
function logPatches({ last, endOffset }: TfsLog, value: Buffer, grown: GrowingDisk): readonly DiskPatch[] {
  const length = encodeVarint(value.length);
  const record = Buffer.concat([
    Buffer.of(recordTypes.tupleAvailable, ...length, ...length),
    value,
    Buffer.of(recordTypes.endOfLog),
  ]);
  const at = last.offset + endOffset;
  const free = last.sizeBytes - endOffset;
  if (record.length + reservedBytes <= free) return [{ offset: at, bytes: record }];

  const sectors = encodeVarint(newSegmentBytes / sectorBytes);
  const header = Buffer.concat([Buffer.from(tfsMagic), Buffer.of(...encodeVarint(last.version), ...sectors)]);
  if (header.length + record.length + reservedBytes > newSegmentBytes) {
    throw new RuntimeError(
      'GUEST_UNSUPPORTED',
      'the environment and arguments are too long for a Nanos guest',
      {
        hint: `together they may have some ${Math.floor(newSegmentBytes / 1024)} KiB`,
      },
    );
  }
  const sector = grown.add(newSegmentBytes);
  const link = Buffer.of(recordTypes.link, ...encodeVarint(sector), ...sectors, recordTypes.endOfLog);
  if (link.length > free) throw imageInvalid('its log has no room for a link to go on');
  return [
    { offset: at, bytes: link },
    { offset: sector * sectorBytes, bytes: Buffer.concat([header, record]) },
  ];
}
