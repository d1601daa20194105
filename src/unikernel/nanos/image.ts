import type { KernelReader } from '../kernel-format.ts';
import { type NanosDisk, partitionReader, readNanosDisk } from './partitions.ts';
import { readTfsLog, type TfsLog } from './tfs-log.ts';

/** A disk that `ops` made, as far as it has to be understood to start a machine from it. */
export interface NanosImage extends NanosDisk {
  readonly sizeBytes: number;
  /** Of the root file system: its root tuple is the machine's manifest. */
  readonly log: TfsLog;
}

/**
 * Read an image's partitions and the log of its root file system.
 * @throws RuntimeError IMAGE_INVALID
 */
export function readNanosImage(disk: KernelReader): NanosImage {
  const parts = readNanosDisk(disk);
  return { ...parts, sizeBytes: disk.sizeBytes, log: readTfsLog(partitionReader(disk, parts.root)) };
}
