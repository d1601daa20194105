import type { KernelReader } from '../kernel-format.ts';
import { imageInvalid } from './image-invalid.ts';
import { klogBytes } from './klog.ts';

export const sectorBytes = 512;

/** Part of a disk; offsets inside it count from its start. */
export interface Partition {
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface NanosDisk {
  /** Holds /kernel and, often, klibs. */
  readonly boot: Partition;
  readonly root: Partition;
  /** Where on the disk the kernel leaves its last words. */
  readonly klogOffset: number;
}

const mbrSignatureOffset = 510;
const firstEntryOffset = 446;
const entryBytes = 16;
const efiSystemPartition = 0xef;
const tfsMagic = 'NVMTFS';

/**
 * Whether a disk is one that `ops` made for a machine to boot from. Reads two sectors.
 * A volume, which is a file system without partitions, is not.
 */
export function isNanosImage(disk: KernelReader): boolean {
  const entries = partitionEntries(disk);
  return entries !== undefined && startsWithTfs(disk, entries.root.offset);
}

/** Whether a disk is a volume: a Nanos file system without a partition table. */
export function isNanosVolume(disk: KernelReader): boolean {
  return partitionEntries(disk) === undefined && startsWithTfs(disk, 0);
}

/**
 * The parts of a disk. Nanos tells them apart by their order, after the EFI system partition if the first one is that, and takes
 * the root file system to go on to the end of the disk, whatever the table says: a disk may have grown.
 * @throws RuntimeError IMAGE_INVALID if there is no table, or a part is outside the disk or in another's place
 * @see nanovms/nanos src/runtime/storage.h (partition_get), src/kernel/init.c (mbr_read, rootfs_init)
 */
export function readNanosDisk(disk: KernelReader): NanosDisk {
  const entries = partitionEntries(disk);
  if (entries === undefined) throw imageInvalid('it has no partition table');
  const { first, boot } = entries;
  const root = { offset: entries.root.offset, sizeBytes: disk.sizeBytes - entries.root.offset };
  const klogOffset = first.offset - klogBytes;
  if (klogOffset < sectorBytes || first.offset > boot.offset)
    throw imageInvalid('its first partition starts too early');
  if (boot.offset + boot.sizeBytes > root.offset || root.sizeBytes < sectorBytes)
    throw imageInvalid('its partitions overlap or are cut off');
  return { boot, root, klogOffset };
}

/** A reader for the inside of a partition. */
export function partitionReader(disk: KernelReader, { offset, sizeBytes }: Partition): KernelReader {
  return {
    sizeBytes,
    read: (at, length) =>
      at >= sizeBytes ? new Uint8Array() : disk.read(offset + at, Math.min(length, sizeBytes - at)),
  };
}

interface PartitionEntries {
  readonly first: Partition;
  readonly boot: Partition;
  readonly root: Partition;
}

function partitionEntries(disk: KernelReader): PartitionEntries | undefined {
  const sector = Buffer.from(disk.read(0, sectorBytes));
  if (sector.length < sectorBytes || sector.readUInt16LE(mbrSignatureOffset) !== 0xaa55) return undefined;
  const hasEfi = sector[firstEntryOffset + 4] === efiSystemPartition;
  const entry = (index: number): Partition => {
    const at = firstEntryOffset + index * entryBytes;
    return {
      offset: sector.readUInt32LE(at + 8) * sectorBytes,
      sizeBytes: sector.readUInt32LE(at + 12) * sectorBytes,
    };
  };
  return { first: entry(0), boot: entry(hasEfi ? 1 : 0), root: entry(hasEfi ? 2 : 1) };
}

function startsWithTfs(disk: KernelReader, offset: number): boolean {
  if (offset >= disk.sizeBytes) return false;
  return Buffer.from(disk.read(offset, tfsMagic.length)).toString('latin1') === tfsMagic;
}
