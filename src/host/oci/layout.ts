import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs';
import { PassThrough, type Readable } from 'node:stream';
import { isErrno } from '../../base/errno.ts';
import { RuntimeError } from '../../base/runtime-error.ts';
import {
  chooseImage,
  type Descriptor,
  type ImageConfig,
  isIndexType,
  type Manifest,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from '../../unikernel/oci/documents.ts';
import { tarIndex } from '../../unikernel/tar-index.ts';
import { withKernelReader } from '../files.ts';

/** Pieces of images, in a directory or in an archive of it. */
export interface OciLayout {
  /** As the user knows it. */
  readonly path: string;
  /** Where a file of the layout is; undefined if it is missing. */
  readonly locate: (name: string) => BlobPlace | undefined;
}

export interface BlobPlace {
  readonly path: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface OciImage {
  readonly layout: OciLayout;
  readonly digest: string;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
}

/**
 * Open an OCI layout: a directory, or the tar archive of one, which is read where it is.
 * @returns undefined if it is neither
 * @see opencontainers/image-spec image-layout.md
 */
export function openLayout(path: string): OciLayout | undefined {
  const stat = statSync(path);
  if (stat.isDirectory()) {
    const locate = (name: string) => fileAt(`${path}/${name}`);
    return locate('oci-layout') === undefined ? undefined : { path, locate };
  }
  if (!stat.isFile()) return undefined;
  const entries = withKernelReader(path, tarIndex);
  const places = new Map(
    entries?.map(({ name, offset, sizeBytes }) => [name, { path, offset, sizeBytes }]) ?? [],
  );
  return places.has('oci-layout') ? { path, locate: (name) => places.get(name) } : undefined;
}

const maxDocumentBytes = 4 * 1024 * 1024;
const maxIndexes = 4;

/**
 * The image of a layout that is for this processor and QEMU.
 * @param reference which one, where it has several
 * @throws RuntimeError OCI_IMAGE_INVALID
 */
export function readImage(layout: OciLayout, reference?: string): OciImage {
  const what = `"${layout.path}"`;
  let chosen = chooseImage(parseIndex(readDocument(layout, 'index.json'), what), what, reference);
  for (let count = 0; isIndexType(chosen.mediaType); count++) {
    if (count === maxIndexes) throw invalid(`${what} has an index in an index without end`);
    chosen = chooseImage(parseIndex(readChecked(layout, chosen), what), what);
  }
  const manifest = parseManifest(readChecked(layout, chosen), `the manifest in ${what}`);
  const config = parseImageConfig(readChecked(layout, manifest.config), `the configuration in ${what}`);
  return { layout, digest: chosen.digest, manifest, config };
}

/** A piece's bytes as they are stored. @throws RuntimeError OCI_IMAGE_INVALID if it is missing */
export function openBlob(layout: OciLayout, descriptor: Descriptor): Readable {
  const { path, offset, sizeBytes } = locateBlob(layout, descriptor);
  if (sizeBytes === 0) return new PassThrough().end();
  return createReadStream(path, { start: offset, end: offset + sizeBytes - 1, highWaterMark: 256 * 1024 });
}

/** The first bytes of a piece. @throws RuntimeError OCI_IMAGE_INVALID */
export function startOfBlob(layout: OciLayout, descriptor: Descriptor, length: number): Buffer {
  return readPlace(locateBlob(layout, descriptor), length);
}

function readChecked(layout: OciLayout, descriptor: Descriptor): string {
  const { digest } = descriptor;
  const bytes = readPlace(locateBlob(layout, descriptor), maxDocumentBytes);
  if (`sha256:${createHash('sha256').update(bytes).digest('hex')}` === digest) return bytes.toString('utf8');
  throw invalid(`"${layout.path}" is damaged: ${digest} is not what its name says`);
}

function readDocument(layout: OciLayout, name: string): string {
  const place = layout.locate(name);
  if (place === undefined) throw invalid(`"${layout.path}" is damaged: it has no ${name}`);
  return readPlace(place, maxDocumentBytes).toString('utf8');
}

function locateBlob(layout: OciLayout, { digest }: Descriptor): BlobPlace {
  const place = layout.locate(`blobs/${digest.replace(':', '/')}`);
  if (place !== undefined) return place;
  throw invalid(`"${layout.path}" is damaged: ${digest} is missing`);
}

function readPlace({ path, offset, sizeBytes }: BlobPlace, maxBytes: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(Math.min(sizeBytes, maxBytes));
    return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, offset));
  } finally {
    closeSync(fd);
  }
}

function fileAt(path: string): BlobPlace | undefined {
  try {
    const stat = statSync(path);
    return stat.isFile() ? { path, offset: 0, sizeBytes: stat.size } : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function invalid(message: string): RuntimeError {
  return new RuntimeError('OCI_IMAGE_INVALID', message, { hint: 'copy it again from where it came from' });
}
