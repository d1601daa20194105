/** The first sectors of a disk such as `ops` makes. */
export function nanosDisk(): Buffer {
  const disk = Buffer.alloc(8 * 512);
  for (const index of [0, 1, 2]) disk.writeUInt32LE(2 * index + 1, 446 + 16 * index + 8);
  disk[446 + 4] = 0xef;
  disk.set([0x55, 0xaa], 510);
  disk.write('NVMTFS', 5 * 512, 'latin1');
  return disk;
}
