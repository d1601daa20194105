import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type Headers, pack } from 'tar-stream';

export type LayerEntry = readonly [header: Headers, content?: string | Buffer];

/** What an image says beside its layers. */
export interface ImageParts {
  readonly config?: object;
  readonly annotations?: Readonly<Record<string, string>>;
  /** If it is given, the image is in an index inside the index, as image registries have it. */
  readonly platform?: { readonly os: string; readonly architecture: string };
}

export const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A layer, uncompressed. */
export async function layerOf(...entries: readonly LayerEntry[]): Promise<Buffer> {
  const archive = pack();
  for (const [header, content] of entries) archive.entry(header, content ?? '');
  archive.finalize();
  return await buffer(archive as unknown as NodeJS.ReadableStream);
}

/** Write a layout with an image of these layers, as they are given. @returns its path */
export function layoutOf(
  directory: string,
  layers: readonly Uint8Array[],
  name = 'layout',
  { config = {}, annotations, platform }: ImageParts = {},
): string {
  const path = join(directory, name);
  mkdirSync(join(path, 'blobs/sha256'), { recursive: true });
  const blob = (bytes: Uint8Array, mediaType = 'x') => {
    writeFileSync(join(path, 'blobs', digestOf(bytes).replace(':', '/')), bytes);
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const json = (content: object, mediaType?: string) => blob(Buffer.from(JSON.stringify(content)), mediaType);
  const manifest = json({
    config: json({ architecture: 'amd64', os: 'linux', ...config }),
    layers: layers.map((layer) => blob(layer)),
    annotations,
  });
  const entry =
    platform === undefined
      ? manifest
      : json({ manifests: [{ ...manifest, platform }] }, 'application/vnd.oci.image.index.v1+json');
  writeFileSync(join(path, 'index.json'), JSON.stringify({ manifests: [entry] }));
  writeFileSync(join(path, 'oci-layout'), '{}');
  return path;
}
