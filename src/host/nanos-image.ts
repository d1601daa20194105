import { RuntimeError } from '../base/runtime-error.ts';
import type { GuestInput } from '../unikernel/guests/guest.ts';
import { identifyKernel, type KernelFormat } from '../unikernel/kernel-format.ts';
import { findBootFile, readBootFile } from '../unikernel/nanos/boot-file.ts';
import { nanosSettings } from '../unikernel/nanos/guest-settings.ts';
import { readNanosImage } from '../unikernel/nanos/image.ts';
import { klogBytes } from '../unikernel/nanos/klog.ts';
import { isNanosVolume, readNanosDisk } from '../unikernel/nanos/partitions.ts';
import { planNanosPatches } from '../unikernel/nanos/patches.ts';
import { readVolumeIdentity } from '../unikernel/nanos/tfs-log.ts';
import { overlayFileOffset, planQcow2Overlay, type Qcow2Overlay } from '../unikernel/qcow2-overlay.ts';
import { writeOverlay } from './disk-image.ts';
import { withKernelReader } from './files.ts';

/** Where in a disk's overlay the kernel leaves the exit code of a program that failed. */
export interface KlogPlace {
  readonly disk: number;
  readonly fileOffset: number;
}

/** A kernel that is in a disk, and what QEMU can do with it. */
export interface OwnKernel {
  readonly bytes: Uint8Array;
  readonly format: KernelFormat;
}

/**
 * The kernel on a Nanos image's boot partition, which QEMU starts faster than the image's own boot loader does.
 * @returns undefined if there is none that QEMU can start: then the boot loader has to
 */
export function readNanosKernel(image: string): OwnKernel | undefined {
  return withKernelReader(image, (disk) => {
    try {
      const bytes = readBootFile(disk, findBootFile(disk, readNanosDisk(disk), 'kernel'));
      const format = identifyKernel({
        sizeBytes: bytes.length,
        read: (offset, length) => bytes.subarray(offset, offset + length),
      });
      return format?.kind === 'pvh-elf' ? { bytes, format } : undefined;
    } catch (error) {
      if (error instanceof RuntimeError && error.code === 'IMAGE_INVALID') return undefined;
      throw error;
    }
  });
}

/**
 * Plan the overlay over a Nanos image that tells the guest its settings, since its kernel sees no command line.
 * @param disks of the guest; the first is the image
 * @param backingPath where QEMU finds the image
 * @throws RuntimeError IMAGE_INVALID, GUEST_UNSUPPORTED for what cannot be said to Nanos, VOLUME_UNSUPPORTED
 */
export function planNanosOverlay(
  disks: readonly { readonly base: string }[],
  backingPath: string,
  input: GuestInput,
): { readonly overlay: Qcow2Overlay; readonly klog: KlogPlace } {
  const settings = nanosSettings(input);
  return withKernelReader(disks[0]?.base ?? '', (disk) => {
    const image = readNanosImage(disk);
    const { patches, diskSizeBytes } = planNanosPatches(image, settings);
    const overlay = planQcow2Overlay({
      virtualSizeBytes: diskSizeBytes + roomBytes,
      backingPath,
      backingFormat: 'raw',
      patches,
      readBase: (offset, length) => disk.read(offset, length),
    });
    const fileOffset = overlayFileOffset(overlay, image.klogOffset);
    if (fileOffset === undefined || fileOffset % klogAlignment > klogAlignment - klogBytes)
      throw new Error('the klog area is not in one piece');
    return { overlay, klog: { disk: 0, fileOffset } };
  });
}

/** What a guest may write beyond its image, which is made to the size of what is in it. It costs nothing until it is written. */
const roomBytes = 1024 ** 3;
/** Beyond a cluster of the overlay what follows on the disk may be elsewhere in the file. */
const klogAlignment = 65536;

/** Write such an overlay in the place of the empty one that the guest's disk began with. */
export function writeNanosOverlay(
  disks: readonly { readonly base: string; readonly overlay: string }[],
  backingPath: string,
  ownerUid: number,
  input: GuestInput,
): KlogPlace {
  const { overlay, klog } = planNanosOverlay(disks, backingPath, input);
  writeOverlay(disks[klog.disk]?.overlay ?? '', overlay, ownerUid);
  return klog;
}

/** What a volume calls itself. @throws RuntimeError VOLUME_UNSUPPORTED for a disk that is no volume of Nanos' */
export function readVolumeLabel(path: string): string {
  return withKernelReader(path, (disk) => {
    if (!isNanosVolume(disk)) {
      throw new RuntimeError(
        'VOLUME_UNSUPPORTED',
        `disk "${path}" is no volume that a Nanos guest can mount`,
        {
          hint: 'make one with "ops volume create"; it is a raw image with a file system of Nanos\' and no partitions',
        },
      );
    }
    const { label, uuid } = readVolumeIdentity(disk);
    return label === '' ? uuid : label;
  });
}
