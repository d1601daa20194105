import { writeOverlay } from '../host/disk-image.ts';
import { withKernelReader } from '../host/files.ts';
import type { GuestInput } from '../unikernel/guests/guest.ts';
import type { KernelReader } from '../unikernel/kernel-format.ts';
import { findBootFile, readBootFile } from '../unikernel/nanos/boot-file.ts';
import { nanosSettings } from '../unikernel/nanos/guest-settings.ts';
import { readNanosImage } from '../unikernel/nanos/image.ts';
import { klogBytes } from '../unikernel/nanos/klog.ts';
import { readNanosDisk } from '../unikernel/nanos/partitions.ts';
import { planNanosPatches } from '../unikernel/nanos/patches.ts';
import { readVolumeIdentity } from '../unikernel/nanos/tfs-log.ts';
import { overlayFileOffset, planQcow2Overlay, type Qcow2Overlay } from '../unikernel/qcow2-overlay.ts';
import { sandboxPaths } from '../unikernel/sandbox-paths.ts';
import type { ContainerRecord } from './record.ts';

/** Where in a disk's overlay the kernel leaves the exit code of a program that failed. */
export interface KlogPlace {
  readonly disk: number;
  readonly fileOffset: number;
}

/**
 * The kernel on a Nanos image's boot partition, which QEMU starts faster than the image's own boot loader does.
 * @throws RuntimeError IMAGE_INVALID
 */
export function readNanosKernel(image: string): Uint8Array {
  return withKernelReader(image, (disk) =>
    readBootFile(disk, findBootFile(disk, readNanosDisk(disk), 'kernel')),
  );
}

/** A kernel in memory, to be looked at like one in a file. */
export function kernelInMemory(bytes: Uint8Array): KernelReader {
  return { sizeBytes: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

/**
 * Plan the overlay over a Nanos image that tells the guest its settings, since its kernel sees no command line.
 * @param disks of the container; the first is the image
 * @throws RuntimeError IMAGE_INVALID, GUEST_UNSUPPORTED for what cannot be said to Nanos, VOLUME_UNSUPPORTED
 */
export function planNanosOverlay(
  disks: readonly { readonly base: string }[],
  input: GuestInput,
): { readonly overlay: Qcow2Overlay; readonly klog: KlogPlace } {
  const settings = nanosSettings(input, (index) => volumeLabel(disks, index));
  return withKernelReader(disks[0]?.base ?? '', (disk) => {
    const image = readNanosImage(disk);
    const { patches, diskSizeBytes } = planNanosPatches(image, settings);
    const overlay = planQcow2Overlay({
      virtualSizeBytes: Math.ceil(diskSizeBytes / sectorBytes) * sectorBytes,
      backingPath: sandboxPaths.base(0),
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

const sectorBytes = 512;
/** Beyond a cluster of the overlay what follows on the disk may be elsewhere in the file. */
const klogAlignment = 65536;

/** Write such an overlay in the place of the empty one that the container was created with. */
export function writeNanosOverlay(record: ContainerRecord, input: GuestInput): KlogPlace {
  const { overlay, klog } = planNanosOverlay(record.disks, input);
  writeOverlay(record.disks[klog.disk]?.overlay ?? '', overlay, record.uid.host);
  return klog;
}

/** @throws RuntimeError IMAGE_INVALID for a disk that is no volume of Nanos' */
function volumeLabel(disks: readonly { readonly base: string }[], index: number): string {
  return withKernelReader(disks[index]?.base ?? '', (disk) => readVolumeIdentity(disk).label);
}
