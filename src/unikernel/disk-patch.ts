/** Bytes that take the place of others on a disk. */
export interface DiskPatch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}
