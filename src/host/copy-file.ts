import { constants, createReadStream } from 'node:fs';
import { copyFile, open, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { isErrno } from '../base/errno.ts';

export interface CopyOptions {
  readonly mode: number;
  /** Ends the copy early. */
  readonly signal: AbortSignal;
  /** Called with the number of bytes that are done since the last time. */
  readonly onBytes: (count: number) => void;
}

const chunkBytes = 1024 * 1024;
const zeros = Buffer.alloc(chunkBytes);

/**
 * Copy a file to a place where there is none, and have it on the disk when it is done. The file system shares the content where it
 * can; else holes stay holes, since disk images mostly consist of them.
 */
export async function copyFileTo(source: string, target: string, options: CopyOptions): Promise<void> {
  try {
    await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
  } catch (error) {
    if (!isErrno(error, 'ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY')) throw error;
    return await writeStreamTo(createReadStream(source, { highWaterMark: chunkBytes }), target, options);
  }
  const file = await open(target, 'r+');
  try {
    await file.chmod(options.mode);
    await file.sync();
  } finally {
    await file.close();
  }
  options.onBytes((await stat(target)).size);
}

/** Write a stream into a new file, with holes for its zeros, and have it on the disk when it is done. */
export async function writeStreamTo(
  stream: Readable | AsyncIterable<Buffer>,
  target: string,
  { mode, signal, onBytes }: CopyOptions,
): Promise<void> {
  const file = await open(target, 'wx', 0o600);
  try {
    let position = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      if (!isZero(chunk)) await file.write(chunk, 0, chunk.length, position);
      position += chunk.length;
      onBytes(chunk.length);
    }
    await file.truncate(position);
    // Whatever the umask is: the monitor runs as a user of its own, and has to read it.
    await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
}

function isZero(chunk: Buffer): boolean {
  return chunk.length <= zeros.length && chunk.equals(zeros.subarray(0, chunk.length));
}
