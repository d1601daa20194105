import type { UnikernelDefinition } from '../definition.ts';
import type { EntryPlan } from '../entry-plan.ts';
import { annotationKey } from '../image-settings.ts';
import { refName } from './documents.ts';
import { ownDirectory, ownFile } from './own-image.ts';

/** A piece of an image, as a descriptor names it. */
export interface Piece {
  readonly digest: string;
  readonly sizeBytes: number;
}

/** The file of an image that describes its unikernel. */
export function ownDescription({ content }: EntryPlan): string {
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

/**
 * The configuration of an image with a unikernel. No time is in it: the same unikernel makes the same image.
 * @see opencontainers/image-spec config.md
 */
export function imageConfig(
  name: string,
  plan: EntryPlan,
  { ports }: UnikernelDefinition,
  layerDiffId: string,
): string {
  const exposed = ports.map(({ guest, protocol }) => [`${guest}/${protocol}`, {}]);
  return JSON.stringify({
    created: '1970-01-01T00:00:00Z',
    architecture: 'amd64',
    os: 'linux',
    config: {
      Entrypoint: [ownFile],
      Labels: { 'org.opencontainers.image.title': name, ...annotationsOf(plan) },
      ...(exposed.length > 0 ? { ExposedPorts: Object.fromEntries(exposed) } : {}),
    },
    rootfs: { type: 'layers', diff_ids: [layerDiffId] },
    history: [{ created: '1970-01-01T00:00:00Z', created_by: 'ucrun image pack' }],
  });
}

/** @see opencontainers/image-spec manifest.md */
export function imageManifest(plan: EntryPlan, config: Piece, layer: Piece): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: [descriptor('application/vnd.oci.image.layer.v1.tar+gzip', layer)],
    annotations: annotationsOf(plan),
  });
}

/** @param reference the name that the image is to have where it is loaded @see opencontainers/image-spec image-index.md */
export function imageIndex(manifest: Piece, reference: string): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ ...descriptor(manifestType, manifest), annotations: { [refName]: reference } }],
  });
}

/** Where a file of the plan's is in the image. */
export function placeInImage(name: string): string {
  return `${ownDirectory}/${name}`;
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json';

function descriptor(mediaType: string, { digest, sizeBytes }: Piece): object {
  return { mediaType, digest, size: sizeBytes };
}

/** For engines that hand an image's annotations on; all others find the file. */
function annotationsOf({ content }: EntryPlan): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(content).map(([key, value]) => [annotationKey(key), String(value)]),
  );
}
