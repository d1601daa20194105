import { posix } from 'node:path';
import { RuntimeError } from '../base/runtime-error.ts';
import type { ShareDriver } from './guests/guest.ts';

/** A volume as the guest finds it. */
export type GuestVolume =
  | {
      /** A directory. */
      readonly kind: 'share';
      readonly driver: ShareDriver;
      /** The tag by which the guest mounts it: `fs1` for the first; `fs0` is the root file system's. */
      readonly tag: string;
      /** Where the container has it, absolute. */
      readonly path: string;
      readonly readOnly: boolean;
      /** Not the directory is the volume, but the one file of this name in it; undefined: the directory. */
      readonly file: string | undefined;
    }
  | {
      /** A disk with whatever is on it. */
      readonly kind: 'disk';
      /** Which disk of the machine it is, counted from 0. */
      readonly index: number;
      /** What the volume calls itself, where the guest goes by that; undefined: nobody looked. */
      readonly label?: string | undefined;
      readonly path: string;
      readonly readOnly: boolean;
    };

export type DiskFormat = 'raw' | 'qcow2';

/** A volume of the container's as the engine's specification has it, and what was found at its source. */
export interface VolumeRequest {
  /** Absolute, inside the container. */
  readonly destination: string;
  readonly source: string;
  readonly sourceKind: 'directory' | 'file' | 'other';
  readonly readOnly: boolean;
}

/** A volume, for the guest, and the file or directory behind it. */
export interface PlannedVolume {
  readonly guest: GuestVolume;
  readonly source: string;
  /** Of a disk; undefined for a share. */
  readonly format: DiskFormat | undefined;
}

/** What of volumes a guest is to have. */
export interface VolumeKinds {
  /** undefined: no directories. */
  readonly share: ShareDriver | undefined;
  readonly disk: boolean;
}

/** The 9p tag of a root file system that is the container's. */
export const rootTag = 'fs0';

/**
 * How the guest gets each volume: a directory as a share, a disk image as a disk. A file that is no disk image is shared in a
 * directory of its own, where the guest can take shares.
 * @param diskCount how many disks the machine has before those of the volumes
 * @throws RuntimeError VOLUME_UNSUPPORTED naming a volume that the guest cannot have
 */
export function planVolumes(
  requests: readonly VolumeRequest[],
  guest: string,
  takes: VolumeKinds,
  diskCount: number,
): readonly PlannedVolume[] {
  let shares = 0;
  let disks = diskCount;
  return requests.map(({ destination, source, sourceKind, readOnly }) => {
    const path = posix.resolve('/', destination);
    if (path === '/') throw unsupported(destination, guest, "it would be in the place of the guest's root");
    const isDisk =
      sourceKind === 'file' &&
      takes.disk &&
      (diskFormatOf(source) !== undefined || takes.share === undefined);
    if (isDisk) {
      const volume: GuestVolume = { kind: 'disk', index: disks++, path, readOnly };
      return { guest: volume, source, format: diskFormatOf(source) ?? 'raw' };
    }
    if (sourceKind === 'other')
      throw unsupported(destination, guest, 'its source is no directory and no file');
    if (takes.share === undefined) throw unsupported(destination, guest, reasonWithoutShares(takes));
    const file = sourceKind === 'file' ? path.slice(path.lastIndexOf('/') + 1) : undefined;
    const volume: GuestVolume = {
      kind: 'share',
      driver: takes.share,
      tag: `fs${++shares}`,
      path,
      readOnly,
      file,
    };
    return { guest: volume, source, format: undefined };
  });
}

/**
 * The format of a disk image, by its name: what is in it the guest may have written.
 * @returns undefined for a file that is not called a disk image
 */
export function diskFormatOf(path: string): DiskFormat | undefined {
  if (path.endsWith('.qcow2')) return 'qcow2';
  return /\.(?:img|raw|ext[234]|iso|squashfs|erofs)$/.test(path) ? 'raw' : undefined;
}

function reasonWithoutShares({ disk }: VolumeKinds): string {
  return disk ? 'it takes disk images, and no directories' : 'it takes no volumes';
}

function unsupported(destination: string, guest: string, reason: string): RuntimeError {
  return new RuntimeError(
    'VOLUME_UNSUPPORTED',
    `volume "${destination}" cannot be given to a guest of type "${guest}": ${reason}`,
    { hint: 'run it without, or put the files into the unikernel' },
  );
}
