import type { KernelReader } from '../kernel-format.ts';
import { imageInvalid } from './image-invalid.ts';
import { type NanosDisk, partitionReader, sectorBytes } from './partitions.ts';
import { readTfsLog } from './tfs-log.ts';
import { childTuple, isTuple, numberOf, type TfsTuple } from './tfs-value.ts';

/** A file of the boot file system, and where on the disk its bytes are. What no extent covers is zero. */
export interface BootFile {
  readonly sizeBytes: number;
  readonly extents: readonly FileExtent[];
}

export interface FileExtent {
  readonly fileOffset: number;
  readonly diskOffset: number;
  readonly sizeBytes: number;
}

/** The kernel that Nanos publishes has 2 MiB, and the partition 12. */
const maxFileBytes = 64 * 1024 * 1024;
const maxExtents = 65_536;

/**
 * Find a file in the top directory of the boot file system, such as `kernel`, which QEMU can boot without the image's boot loader.
 * @throws RuntimeError IMAGE_INVALID if it is missing, too large or not where it says
 * @see nanovms/nanos src/fs/tfs.c (ingest_extent), nanovms/ops fs/tfs.go (writeFile)
 */
export function findBootFile(disk: KernelReader, { boot }: NanosDisk, name: string): BootFile {
  const { root } = readTfsLog(partitionReader(disk, boot));
  const file = childTuple(childTuple(root, 'children'), name);
  const sizeBytes = numberOf(file?.entries.get('filelength'));
  const extents = childTuple(file, 'extents');
  if (sizeBytes === undefined || extents === undefined)
    throw imageInvalid(`its boot partition has no file "${name}"`);
  if (sizeBytes > maxFileBytes || extents.entries.size > maxExtents)
    throw imageInvalid(`the file "${name}" in its boot partition is too large`);
  const found = [...extents.entries].map(([fileSector, value]) => {
    const extent = isTuple(value) ? readExtent(fileSector, value, sizeBytes) : undefined;
    if (extent === undefined || extent.diskOffset + extent.sizeBytes > boot.sizeBytes)
      throw imageInvalid(`the file "${name}" goes past the end of its boot partition`);
    return { ...extent, diskOffset: boot.offset + extent.diskOffset };
  });
  // Extents that overlap could make a reader read the partition over and over.
  if (found.reduce((sum, extent) => sum + extent.sizeBytes, 0) > sizeBytes)
    throw imageInvalid(`parts of the file "${name}" in its boot partition overlap`);
  return { sizeBytes, extents: found };
}

/** The bytes of a file. @throws RuntimeError IMAGE_INVALID if the disk is cut off inside it */
export function readBootFile(disk: KernelReader, file: BootFile): Uint8Array {
  const bytes = new Uint8Array(file.sizeBytes);
  for (const { fileOffset, diskOffset, sizeBytes } of file.extents) {
    const part = disk.read(diskOffset, sizeBytes);
    if (part.length < sizeBytes) throw imageInvalid('it is cut off in its boot partition');
    bytes.set(part, fileOffset);
  }
  return bytes;
}

/** Everything counts in sectors; the last one may be more than the file has. */
function readExtent(fileSector: string, extent: TfsTuple, fileBytes: number): FileExtent | undefined {
  const start = numberOf(fileSector);
  const length = numberOf(extent.entries.get('length'));
  const sector = numberOf(extent.entries.get('offset'));
  if (start === undefined || length === undefined || sector === undefined) return undefined;
  const fileOffset = start * sectorBytes;
  // Space that was set aside, and not written yet.
  const isUnwritten = extent.entries.has('uninited');
  const sizeBytes = isUnwritten ? 0 : Math.min(length * sectorBytes, fileBytes - fileOffset);
  return {
    fileOffset: Math.min(fileOffset, fileBytes),
    diskOffset: sector * sectorBytes,
    sizeBytes: Math.max(sizeBytes, 0),
  };
}
