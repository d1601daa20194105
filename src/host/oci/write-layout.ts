import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream, renameSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Pack } from 'tar-stream';
import type { Piece } from '../../unikernel/oci/pack-plan.ts';
import type { CopyOptions } from '../copy-file.ts';
import { makeDirectory } from '../files.ts';

/** What a layer is to hold: content, or a file of the host's. */
export interface LayerFile {
  /** Absolute, in the image. */
  readonly path: string;
  readonly content: string | { readonly source: string };
}

export interface WrittenLayer extends Piece {
  /** The digest of the layer before it was compressed. */
  readonly diffId: string;
}

type Options = Pick<CopyOptions, 'signal' | 'onBytes'>;

/** Begin a layout in an empty directory. @see opencontainers/image-spec image-layout.md */
export function beginLayout(directory: string): void {
  makeDirectory(directory, 0o755);
  makeDirectory(`${directory}/blobs/sha256`, 0o755);
}

/** Make it a layout: from now on it is one. @param index the document that names its images */
export function finishLayout(directory: string, index: string): void {
  writeFileSync(`${directory}/index.json`, index);
  writeFileSync(`${directory}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
}

/** Add a document to a layout. */
export function writeDocument(directory: string, content: string): Piece {
  const bytes = Buffer.from(content);
  const digest = digestOf(createHash('sha256').update(bytes));
  writeFileSync(blobPath(directory, digest), bytes);
  return { digest, sizeBytes: bytes.length };
}

/** Add a layer to a layout. The same files make the same bytes: it has no times, owners or names of this host. */
export async function writeLayer(
  directory: string,
  files: readonly LayerFile[],
  options: Options,
): Promise<WrittenLayer> {
  const { pack } = await import('./archives.ts');
  const archive = pack();
  const diff = createHash('sha256');
  const packed = createHash('sha256');
  const unfinished = `${directory}/blobs/layer`;
  const writing = pipeline(
    archive as unknown as NodeJS.ReadableStream,
    hashing(diff),
    createGzip({ level: 6 }),
    hashing(packed),
    createWriteStream(unfinished, { flags: 'wx' }),
    { signal: options.signal },
  );
  await Promise.all([writing, fill(archive, files, options)]);
  const digest = digestOf(packed);
  renameSync(unfinished, blobPath(directory, digest));
  return { digest, sizeBytes: statSync(blobPath(directory, digest)).size, diffId: digestOf(diff) };
}

/** Write a layout as one file, which is there as a whole when it is there. */
export async function archiveLayout(
  directory: string,
  names: readonly string[],
  target: string,
  options: Options,
): Promise<void> {
  const { pack } = await import('./archives.ts');
  const archive = pack();
  const unfinished = `${directory}/archive`;
  const files = names.map((name) => ({ path: `/${name}`, content: { source: `${directory}/${name}` } }));
  await Promise.all([
    pipeline(archive as unknown as NodeJS.ReadableStream, createWriteStream(unfinished), {
      signal: options.signal,
    }),
    fill(archive, files, options),
  ]);
  const file = await open(unfinished, 'r');
  await file.sync().finally(() => file.close());
  renameSync(unfinished, target);
}

async function fill(archive: Pack, files: readonly LayerFile[], options: Options): Promise<void> {
  try {
    const directories = new Set<string>();
    for (const { path, content } of files) {
      for (const directory of parentsOf(path)) {
        if (directories.has(directory)) continue;
        directories.add(directory);
        archive.entry({ name: `${directory}/`, type: 'directory', mode: 0o755, mtime: new Date(0) });
      }
      const header = { name: path.slice(1), type: 'file', mode: 0o644, mtime: new Date(0) } as const;
      if (typeof content === 'string') {
        archive.entry(header, content);
        continue;
      }
      const entry = archive.entry({ ...header, size: statSync(content.source).size });
      const counting = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          options.onBytes(chunk.length);
          done(null, chunk);
        },
      });
      const stream = createReadStream(content.source, { highWaterMark: 256 * 1024 });
      await pipeline(stream, counting, entry as unknown as NodeJS.WritableStream, { signal: options.signal });
    }
    archive.finalize();
  } catch (error) {
    archive.destroy(error instanceof Error ? error : undefined);
    throw error;
  }
}

/** `unikernel` for `/unikernel/kernel`; none for a file in the root. */
function parentsOf(path: string): readonly string[] {
  const parts = path.split('/').slice(1, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

function hashing(hash: Hash): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
}

function digestOf(hash: Hash): string {
  return `sha256:${hash.digest('hex')}`;
}

function blobPath(directory: string, digest: string): string {
  return `${directory}/blobs/${digest.replace(':', '/')}`;
}
