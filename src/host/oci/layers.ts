import { createHash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Entry } from 'tar-stream';
import { RuntimeError } from '../../base/runtime-error.ts';
import type { Descriptor } from '../../unikernel/oci/documents.ts';
import { type FilePlace, ImageTree, type LayerEntry } from '../../unikernel/oci/image-tree.ts';
import { type CopyOptions, writeStreamTo } from '../copy-file.ts';
import { type OciImage, openBlob, startOfBlob } from './layout.ts';

/** An image's root file system, and the texts in it that describe a unikernel. */
export interface ReadImageTree {
  readonly tree: ImageTree;
  /** The text of a file that was asked for by its name; undefined if it is missing, or too long. */
  readonly textOf: (path: string) => string | undefined;
}

const maxTextBytes = 64 * 1024;
/** All together; they are kept in memory. */
const maxTextsBytes = 16 * 1024 * 1024;

/**
 * Look through an image's layers, and check each against its digest. Nothing is written.
 * @param textNames the base names of the files whose text is wanted
 * @throws RuntimeError OCI_IMAGE_INVALID for a layer that is damaged, or no layer of an image
 */
export async function readImageTree(
  image: OciImage,
  textNames: readonly string[],
  signal: AbortSignal,
): Promise<ReadImageTree> {
  const tree = new ImageTree();
  const texts = new Map<string, string>();
  const budget: Budget = { bytes: maxImageBytes };
  let textsLeft = maxTextsBytes;
  for (const [layer, descriptor] of image.manifest.layers.entries()) {
    tree.beginLayer();
    await forEachEntry(image, descriptor, budget, signal, async (entry, index) => {
      const found = layerEntryOf(entry);
      if (!tree.add(found)) throw invalid(image, 'has more files in its layers than an image can have');
      const isText = found.kind === 'file' && textNames.includes(found.name.replace(/^(?:.*\/)?/, ''));
      if (!isText || found.sizeBytes > maxTextBytes) return;
      textsLeft -= found.sizeBytes;
      if (textsLeft < 0) throw invalid(image, `has too many files ${textNames.join(' and ')}`);
      texts.set(`${layer}:${index}`, await textIn(entry));
    });
  }
  const textOf = (path: string) => {
    const place = tree.find(path);
    return place && texts.get(`${place.layer}:${place.entry}`);
  };
  return { tree, textOf };
}

/** Write files of an image's to places of our own choice. @throws RuntimeError OCI_IMAGE_INVALID */
export async function extractFiles(
  image: OciImage,
  wanted: readonly { readonly place: FilePlace; readonly target: string }[],
  options: CopyOptions,
): Promise<void> {
  const budget: Budget = { bytes: maxImageBytes };
  for (const [layer, descriptor] of image.manifest.layers.entries()) {
    const ofLayer = wanted.filter(({ place }) => place.layer === layer);
    if (ofLayer.length === 0) continue;
    await forEachEntry(image, descriptor, budget, options.signal, async (entry, index) => {
      const [first, ...others] = ofLayer.filter(({ place }) => place.entry === index);
      if (first === undefined) return;
      await writeStreamTo(entry, first.target, options);
      for (const { target } of others) {
        const { copyFileTo } = await import('../copy-file.ts');
        await copyFileTo(first.target, target, options);
      }
    });
  }
}

/** More than this no image holds in all of its layers; what claims to is made to fill the disk. */
const maxImageBytes = 64 * 1024 ** 3;

/** What may still be unpacked of an image. */
interface Budget {
  bytes: number;
}

async function forEachEntry(
  image: OciImage,
  descriptor: Descriptor,
  budget: Budget,
  signal: AbortSignal,
  use: (entry: Entry, index: number) => Promise<void>,
): Promise<void> {
  const { extract } = await import('./archives.ts');
  const entries = extract();
  const blob = openBlob(image.layout, descriptor);
  const check = new DigestCheck(descriptor.digest, image);
  const limit = new SizeLimit(budget, image);
  const unpack = unpacker(startOfBlob(image.layout, descriptor, 4), descriptor, image);
  const stages = unpack === undefined ? [check, limit] : [check, unpack, limit];
  const feeding = pipeline([blob, ...stages, entries as unknown as NodeJS.WritableStream], { signal });
  // Whichever fails first ends the other: the reason is the feeding's, if that is what failed.
  const fed = feeding.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  try {
    let index = 0;
    for await (const entry of entries) {
      // An extended header may say what is no number, whose end the library would wait for.
      if (!Number.isSafeInteger(entry.header.size ?? 0) || (entry.header.size ?? 0) < 0)
        throw invalid(image, `has a file of ${entry.header.size} bytes in a layer`);
      await use(entry, index++);
      entry.resume();
    }
  } catch (error) {
    blob.destroy();
    const failed = await fed;
    signal.throwIfAborted();
    throw asImageError(error instanceof RuntimeError ? error : (failed?.error ?? error), image);
  }
  const failed = await fed;
  if (failed !== undefined) {
    signal.throwIfAborted();
    throw asImageError(failed.error, image);
  }
}

/** @see opencontainers/image-spec layer.md; RFC 1952, RFC 8878 (magic numbers) */
function unpacker(start: Buffer, { mediaType }: Descriptor, image: OciImage): Transform | undefined {
  if (mediaType.includes('encrypted')) throw invalid(image, 'is encrypted');
  if (start.length >= 2 && start.readUInt16BE(0) === 0x1f8b) return createGunzip();
  if (start.length === 4 && start.readUInt32LE(0) === 0xfd2fb528) return createZstdDecompress();
  return undefined;
}

const kinds: Readonly<Record<string, LayerEntry['kind']>> = {
  file: 'file',
  'contiguous-file': 'file',
  directory: 'directory',
  symlink: 'symlink',
  link: 'link',
};

function layerEntryOf({ header }: Entry): LayerEntry {
  return {
    name: header.name,
    kind: kinds[header.type ?? 'file'] ?? 'other',
    target: header.linkname ?? undefined,
    sizeBytes: header.size ?? 0,
  };
}

async function textIn(entry: Entry): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** What the unpacker or the reader of archives could not read is the image's fault; a full disk is not. */
function asImageError(error: unknown, image: OciImage): unknown {
  if (error instanceof RuntimeError || (error instanceof Error && 'syscall' in error)) return error;
  return invalid(image, 'has a layer that cannot be read', error);
}

function invalid(image: OciImage, what: string, cause?: unknown): RuntimeError {
  return new RuntimeError('OCI_IMAGE_INVALID', `the image in "${image.layout.path}" ${what}`, { cause });
}

class DigestCheck extends Transform {
  readonly #hash = createHash('sha256');
  readonly #digest: string;
  readonly #image: OciImage;

  constructor(digest: string, image: OciImage) {
    super();
    this.#digest = digest;
    this.#image = image;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#hash.update(chunk);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    const isRight = `sha256:${this.#hash.digest('hex')}` === this.#digest;
    done(isRight ? null : invalid(this.#image, `is damaged: ${this.#digest} is not what its name says`));
  }
}

class SizeLimit extends Transform {
  readonly #budget: Budget;
  readonly #image: OciImage;

  constructor(budget: Budget, image: OciImage) {
    super();
    this.#budget = budget;
    this.#image = image;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#budget.bytes -= chunk.length;
    if (this.#budget.bytes < 0) done(invalid(this.#image, 'has layers that unpack to more than 64 GiB'));
    else done(null, chunk);
  }
}
