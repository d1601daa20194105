import { RuntimeError } from '../base/runtime-error.ts';
import type { DiskPatch } from './disk-patch.ts';
import { encodeQcow2Header } from './qcow2-header.ts';

export interface OverlayRequest {
  /** Of the overlay's disk, which may be larger than the one below: what is added reads as zeros. */
  readonly virtualSizeBytes: number;
  /** The file below, as QEMU will find it: an absolute path. */
  readonly backingPath: string;
  readonly backingFormat: 'raw' | 'qcow2';
  readonly patches: readonly DiskPatch[];
  /** Up to `length` bytes of the disk below; fewer at its end. */
  readBase(offset: number, length: number): Uint8Array;
}

/** A file as it has to be written; what no chunk covers is zero. */
export interface Qcow2Overlay {
  readonly sizeBytes: number;
  readonly chunks: readonly FileChunk[];
  /** Cluster of the disk → where it is in the file. */
  readonly dataOffsets: ReadonlyMap<number, number>;
}

export interface FileChunk {
  readonly fileOffset: number;
  readonly bytes: Uint8Array;
}

const clusterBits = 16;
const clusterBytes = 1 << clusterBits;
/** Entries of eight bytes in a table of one cluster. */
const tableEntries = clusterBytes / 8;
/** As much as a level 2 table covers. */
const tableBytes = tableEntries * clusterBytes;
const maxVirtualBytes = 16 * 1024 ** 4;
/** One cluster of reference counts is enough then, and what is planned fits into memory. */
const maxTouchedClusters = 1024;
/** QEMU's limit for the name. */
const maxPathBytes = 1023;
/** Nothing else refers to the cluster, so a guest's writes go right into it. */
const copied = 1n << 63n;

/**
 * Plan a qcow2 file over a disk that stays as it is. The clusters that the patches touch are in it with the disk's own bytes around
 * them; all others are the disk's until the guest writes them.
 *
 * The file: header, reference count table, reference counts, level 1 table, level 2 tables, data; each from a new cluster.
 * @throws RuntimeError IMAGE_INVALID for a size that a disk cannot have
 * @see QEMU docs/interop/qcow2.txt
 */
export function planQcow2Overlay(request: OverlayRequest): Qcow2Overlay {
  const { virtualSizeBytes, backingPath, patches } = request;
  checkRequest(request);
  const clusters = touchedClusters(patches);
  const tables = [...new Set(clusters.map((cluster) => Math.floor(cluster / tableEntries)))];
  const l1Entries = Math.ceil(virtualSizeBytes / tableBytes);
  const l1Clusters = Math.ceil((l1Entries * 8) / clusterBytes);
  const l1Offset = 3 * clusterBytes;
  const l2Offset = l1Offset + l1Clusters * clusterBytes;
  const dataOffset = l2Offset + tables.length * clusterBytes;
  const sizeBytes = dataOffset + clusters.length * clusterBytes;
  const dataOffsets = new Map(clusters.map((cluster, index) => [cluster, dataOffset + index * clusterBytes]));
  const header = encodeQcow2Header({
    virtualSizeBytes,
    clusterBits,
    l1Offset,
    l1Entries,
    refcountTableOffset: clusterBytes,
    refcountTableClusters: 1,
    backingPath,
    backingFormat: request.backingFormat,
  });
  return {
    sizeBytes,
    dataOffsets,
    chunks: [
      { fileOffset: 0, bytes: header },
      { fileOffset: clusterBytes, bytes: bigEndian(2 * clusterBytes) },
      { fileOffset: 2 * clusterBytes, bytes: refcounts(sizeBytes / clusterBytes) },
      { fileOffset: l1Offset, bytes: level1(l1Entries, tables, l2Offset) },
      ...tables.map((table, index) => ({
        fileOffset: l2Offset + index * clusterBytes,
        bytes: level2(table, dataOffsets),
      })),
      ...dataChunks(request, dataOffsets),
    ],
  };
}

/**
 * Where in the overlay's file a byte of the disk is that a patch covers. It stays there, whatever the guest writes.
 * @returns undefined for a part of the disk that no patch touched
 */
export function overlayFileOffset(
  { dataOffsets }: Pick<Qcow2Overlay, 'dataOffsets'>,
  diskOffset: number,
): number | undefined {
  const start = dataOffsets.get(Math.floor(diskOffset / clusterBytes));
  return start === undefined ? undefined : start + (diskOffset % clusterBytes);
}

function checkRequest({ virtualSizeBytes, backingPath, patches }: OverlayRequest): void {
  if (virtualSizeBytes < 1 || virtualSizeBytes > maxVirtualBytes || virtualSizeBytes % 512 !== 0) {
    throw new RuntimeError('IMAGE_INVALID', `a disk cannot have ${virtualSizeBytes} bytes`, {
      hint: 'a disk has whole sectors of 512 bytes, and 16 TiB at most',
    });
  }
  if (!backingPath.startsWith('/') || Buffer.byteLength(backingPath) > maxPathBytes)
    throw new Error(`QEMU cannot take "${backingPath}" as a backing file`);
  for (const { offset, bytes } of patches) {
    if (offset < 0 || offset + bytes.length > virtualSizeBytes)
      throw new Error(`a patch at ${offset} is outside a disk of ${virtualSizeBytes} bytes`);
  }
}

function touchedClusters(patches: readonly DiskPatch[]): readonly number[] {
  const touched = new Set<number>();
  for (const { offset, bytes } of patches) {
    for (let at = clusterOf(offset); at * clusterBytes < offset + bytes.length; at++) touched.add(at);
  }
  if (touched.size > maxTouchedClusters) throw new Error(`patches in ${touched.size} clusters are too many`);
  return [...touched].sort((a, b) => a - b);
}

function bigEndian(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** Each cluster is used once. */
function refcounts(clusters: number): Uint8Array {
  const counts = Buffer.alloc(clusters * 2);
  for (let at = 0; at < counts.length; at += 2) counts.writeUInt16BE(1, at);
  return counts;
}

function level1(entries: number, tables: readonly number[], l2Offset: number): Uint8Array {
  const table = Buffer.alloc(entries * 8);
  for (const [index, number] of tables.entries())
    table.writeBigUInt64BE(copied | BigInt(l2Offset + index * clusterBytes), number * 8);
  return table;
}

function level2(number: number, dataOffsets: ReadonlyMap<number, number>): Uint8Array {
  const table = Buffer.alloc(clusterBytes);
  for (const [cluster, offset] of dataOffsets) {
    if (Math.floor(cluster / tableEntries) !== number) continue;
    table.writeBigUInt64BE(copied | BigInt(offset), (cluster % tableEntries) * 8);
  }
  return table;
}

function dataChunks(
  { patches, readBase }: OverlayRequest,
  dataOffsets: ReadonlyMap<number, number>,
): readonly FileChunk[] {
  const chunks = new Map<number, FileChunk>();
  for (const [cluster, fileOffset] of dataOffsets) {
    const bytes = new Uint8Array(clusterBytes);
    bytes.set(readBase(cluster * clusterBytes, clusterBytes).subarray(0, clusterBytes));
    chunks.set(cluster, { fileOffset, bytes });
  }
  for (const { offset, bytes } of patches) {
    for (let at = 0; at < bytes.length; ) {
      const inCluster = (offset + at) % clusterBytes;
      const part = bytes.subarray(at, at + clusterBytes - inCluster);
      chunks.get(clusterOf(offset + at))?.bytes.set(part, inCluster);
      at += part.length;
    }
  }
  return [...chunks.values()];
}

function clusterOf(offset: number): number {
  return Math.floor(offset / clusterBytes);
}
