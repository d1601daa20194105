import type { UnikernelDefinition } from '../unikernel/definition.ts';
import { guests } from '../unikernel/guests/index.ts';
import type { GuestVolume, PlannedVolume } from '../unikernel/volumes.ts';
import { readVolumeLabel } from './nanos-image.ts';

/** A unikernel's disks, as many files as its definition names, and the volumes that it has besides. */
export interface VolumeSources {
  readonly definition: UnikernelDefinition;
  readonly disks: readonly string[];
  readonly volumes: readonly PlannedVolume[];
}

/** What a guest is to mount: disks of its own, then its volumes. @throws RuntimeError VOLUME_UNSUPPORTED */
export function guestVolumes(sources: VolumeSources): readonly GuestVolume[] {
  const { definition, volumes } = sources;
  return withLabels([...mountedDisks(definition), ...volumes.map(({ guest }) => guest)], sources);
}

/** The unikernel's own disks that it is to mount. */
function mountedDisks({ disks }: UnikernelDefinition): readonly GuestVolume[] {
  return disks.flatMap(({ path, readOnly }, index) =>
    path === undefined ? [] : [{ kind: 'disk', index, path, readOnly }],
  );
}

/** Nanos goes by what a volume calls itself. @throws RuntimeError VOLUME_UNSUPPORTED for a disk that is none of Nanos' */
function withLabels(
  mounted: readonly GuestVolume[],
  { definition, disks, volumes }: VolumeSources,
): readonly GuestVolume[] {
  if (guests[definition.guest].settingsIn !== 'nanos-image') return mounted;
  const sources = [
    ...disks,
    ...volumes.filter(({ guest }) => guest.kind === 'disk').map(({ source }) => source),
  ];
  return mounted.map((volume) =>
    volume.kind === 'disk' ? { ...volume, label: readVolumeLabel(sources[volume.index] ?? '') } : volume,
  );
}
