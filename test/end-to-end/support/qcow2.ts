import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { KernelReader } from '../../../src/unikernel/kernel-format.ts';

/** A disk that is a qcow2 file over a raw image, as far as ucrun writes such files: with clusters of 64 KiB. */
export interface OverlayReader extends KernelReader {
  /** Where in the overlay's file a byte of the disk is; undefined if it is the image's. */
  locate(offset: number): number | undefined;
}

const clusterBytes = 65_536;
const tableEntries = clusterBytes / 8;

/**
 * Look at a disk that a machine may be writing to. Nothing of the code under test has a part in it.
 * @see QEMU docs/interop/qcow2.txt
 */
export function withOverlay<T>(overlay: string, image: string, use: (disk: OverlayReader) => T): T {
  const [over, under] = [openSync(overlay, 'r'), openSync(image, 'r')];
  try {
    const header = readAt(over, 0, 48);
    const level1 = Number(header.readBigUInt64BE(40));
    const entry = (table: number, index: number) =>
      Number(readAt(over, table + index * 8, 8).readBigUInt64BE() & 0x00ff_ffff_ffff_fe00n);
    const locate = (offset: number) => {
      const cluster = Math.floor(offset / clusterBytes);
      const level2 = entry(level1, Math.floor(cluster / tableEntries));
      const data = level2 === 0 ? 0 : entry(level2, cluster % tableEntries);
      return data === 0 ? undefined : data + (offset % clusterBytes);
    };
    const sizeBytes = Number(header.readBigUInt64BE(24));
    const imageBytes = fstatSync(under).size;
    return use({
      sizeBytes,
      locate,
      read(offset, length) {
        const bytes = Buffer.alloc(Math.max(0, Math.min(length, sizeBytes - offset)));
        for (let at = 0; at < bytes.length; ) {
          const part = Math.min(bytes.length - at, clusterBytes - ((offset + at) % clusterBytes));
          const place = locate(offset + at);
          if (place !== undefined) readAt(over, place, part).copy(bytes, at);
          else if (offset + at < imageBytes) readAt(under, offset + at, part).copy(bytes, at);
          at += part;
        }
        return bytes;
      },
    });
  } finally {
    closeSync(over);
    closeSync(under);
  }
}

/** What is beyond the end of the file is zero. */
function readAt(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  readSync(fd, bytes, 0, length, offset);
  return bytes;
}
