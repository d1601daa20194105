import { closeSync, fchmodSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import type { DiskPatch } from '../unikernel/disk-patch.ts';
import { type Qcow2Header, readQcow2Header } from '../unikernel/qcow2-header.ts';
import { planQcow2Overlay, type Qcow2Overlay } from '../unikernel/qcow2-overlay.ts';
import type { DiskFormat } from '../unikernel/volumes.ts';
import { giveTo, withKernelReader } from './files.ts';

const sectorBytes = 512;

export interface OverlayOrder {
  /** The image's host path. */
  readonly image: string;
  /** As its name says: what is in it may be made to deceive. */
  readonly format: DiskFormat;
  /** Where QEMU finds the image. */
  readonly backingPath: string;
  readonly patches: readonly DiskPatch[];
}

/**
 * Plan an overlay over a disk image.
 * @throws RuntimeError IMAGE_INVALID for an image that refers to other files, or is not what its name says
 */
export function planOverlay({ image, format, backingPath, patches }: OverlayOrder): Qcow2Overlay {
  return withKernelReader(image, (reader) => {
    const header = readQcow2Header(reader);
    if (header !== undefined && format === 'raw') {
      throw new RuntimeError(
        'IMAGE_INVALID',
        `disk "${image}" is a qcow2 image, which its name does not say`,
        {
          hint: 'let its name end in .qcow2',
        },
      );
    }
    if (format === 'qcow2') checkWhole(image, header);
    // The bytes around a patch are read from the file, where a qcow2 image has them in an order of its own.
    if (header !== undefined && patches.length > 0) {
      throw new RuntimeError(
        'IMAGE_INVALID',
        `disk "${image}" is a qcow2 image, in which nothing can be changed`,
        { hint: 'make a raw image of it with "qemu-img convert -O raw"' },
      );
    }
    if (reader.sizeBytes === 0) throw new RuntimeError('IMAGE_INVALID', `disk "${image}" is empty`);
    return planQcow2Overlay({
      virtualSizeBytes: header?.virtualSizeBytes ?? Math.ceil(reader.sizeBytes / sectorBytes) * sectorBytes,
      backingPath,
      backingFormat: format,
      patches,
      readBase: (offset, length) => reader.read(offset, length),
    });
  });
}

/**
 * Check a qcow2 image that a container has as a volume: QEMU is to open that file alone.
 * @throws RuntimeError IMAGE_INVALID
 */
export function checkQcow2Volume(path: string): void {
  checkWhole(path, withKernelReader(path, readQcow2Header));
}

function checkWhole(image: string, header: Qcow2Header | undefined): void {
  if (header === undefined)
    throw new RuntimeError('IMAGE_INVALID', `disk "${image}" is not the qcow2 image that its name says`, {
      hint: 'if it is a raw image, let its name end in .img or .raw',
    });
  if (header.hasBackingFile || header.hasDataFile) {
    throw new RuntimeError(
      'IMAGE_INVALID',
      `disk "${image}" is only a part of an image: it refers to another file`,
      { hint: 'make one image of it with "qemu-img convert -O qcow2"' },
    );
  }
  if (header.isEncrypted) {
    throw new RuntimeError('IMAGE_INVALID', `disk "${image}" is encrypted`, {
      hint: 'decrypt it with "qemu-img convert"',
    });
  }
}

/** Write an overlay's file, over what is there; for its owner only. */
export function writeOverlay(path: string, { sizeBytes, chunks }: Qcow2Overlay, ownerUid: number): void {
  const fd = openSync(path, 'w', 0o600);
  try {
    ftruncateSync(fd, sizeBytes);
    for (const { fileOffset, bytes } of chunks) {
      let written = 0;
      // On a full disk fewer bytes are written at first, and then none, with an error.
      while (written < bytes.length)
        written += writeSync(fd, bytes, written, bytes.length - written, fileOffset + written);
    }
    fchmodSync(fd, 0o600);
  } finally {
    closeSync(fd);
  }
  giveTo(path, ownerUid);
}
