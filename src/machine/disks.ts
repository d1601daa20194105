import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import { planOverlay, writeOverlay } from '../host/disk-image.ts';
import { exists, giveTo, makeDirectory, readTextIfThere, writeFileAtomic } from '../host/files.ts';
import { planNanosOverlay, writeNanosOverlay } from '../host/nanos-image.ts';
import type { GuestInput } from '../unikernel/guests/guest.ts';
import { guests } from '../unikernel/guests/index.ts';
import { klogBytes } from '../unikernel/nanos/klog.ts';
import type { MachineFiles } from './places.ts';
import type { ResolvedMachine } from './resolve.ts';
import type { RunState } from './run-state.ts';

/** What the overlays were made over, so that a guest is not given one over another image. */
interface OverlayBase {
  readonly images: readonly { readonly path: string; readonly sizeBytes: number; readonly mtimeMs: number }[];
  /** What a guest that reads its settings from its disk was told. */
  readonly settings: string | undefined;
}

export function overlayPath({ disks }: MachineFiles, index: number): string {
  return `${disks}/disk${index}.qcow2`;
}

/**
 * Make the overlays of a machine's disks, or give those there are to whoever runs QEMU this time: what the guest wrote stays until the
 * machine is removed.
 * @throws RuntimeError IMAGE_INVALID if an image is not the one that an overlay was made over
 * @returns where a Nanos kernel leaves its exit code
 */
export function prepareDisks(
  files: MachineFiles,
  { disks, plan, input }: ResolvedMachine,
  network: GuestInput['network'],
  uid: number,
): RunState['klog'] {
  if (disks.length === 0) return undefined;
  const isNanos = guests[plan.guest].settingsIn === 'nanos-image';
  const told: GuestInput = { ...input, network };
  const base: OverlayBase = {
    images: disks.map((path) => {
      const { size, mtimeMs } = statSync(path);
      return { path, sizeBytes: size, mtimeMs };
    }),
    settings: isNanos ? JSON.stringify(told) : undefined,
  };
  const baseFile = `${files.disks}/base.json`;
  const before = readTextIfThere(baseFile);
  const known = before === undefined ? undefined : (JSON.parse(before) as OverlayBase);
  if (known !== undefined) checkSameImages(known, base);
  makeDirectory(files.disks, 0o711);
  const overlays = disks.map((image, index) => ({ base: image, overlay: overlayPath(files, index) }));
  let klog: RunState['klog'];
  for (const [index, { base: image, overlay }] of overlays.entries()) {
    const disk = plan.disks[index];
    const format = disk?.isOverlay ? disk.baseFormat : 'raw';
    const isTold = isNanos && index === 0;
    const isKept = known !== undefined && exists(overlay) && (!isTold || known.settings === base.settings);
    if (isTold) {
      const place = isKept
        ? planNanosOverlay(overlays, image, told).klog
        : writeNanosOverlay(overlays, image, uid, told);
      klog = { path: overlay, offset: place.fileOffset };
      if (isKept) clearBytes(overlay, place.fileOffset, klogBytes);
    } else if (!isKept) {
      writeOverlay(overlay, planOverlay({ image, format, backingPath: image, patches: [] }), uid);
    }
    giveTo(overlay, uid);
  }
  writeFileAtomic(baseFile, `${JSON.stringify(base)}\n`, 0o600);
  return klog;
}

function checkSameImages(known: OverlayBase, now: OverlayBase): void {
  if (JSON.stringify(known.images) === JSON.stringify(now.images)) return;
  const [changed] = now.images.filter(
    (image, index) => JSON.stringify(image) !== JSON.stringify(known.images[index]),
  );
  throw new RuntimeError(
    'IMAGE_INVALID',
    `disk "${changed?.path ?? known.images[0]?.path}" is not the one that the machine has written to`,
    { hint: 'remove the machine and create it again; what its guest wrote is lost with it' },
  );
}

function clearBytes(path: string, offset: number, length: number): void {
  const fd = openSync(path, 'r+');
  try {
    writeSync(fd, Buffer.alloc(length), 0, length, offset);
  } finally {
    closeSync(fd);
  }
}
