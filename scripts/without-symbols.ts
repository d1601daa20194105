/**
 * A 64-bit little-endian ELF executable without what is not needed to run it: symbols, debug information and the table
 * of sections. All that lies behind the last segment in the file, so this is strip(1) without having to have it.
 * @see elf(5)
 */
export function withoutSymbols(elf: Uint8Array): Uint8Array {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  if (view.getUint32(0) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1)
    throw new Error('not a 64-bit ELF file');

  const uint64 = (offset: number) => Number(view.getBigUint64(offset, true));
  const programHeaders = uint64(0x20);
  const headerSize = view.getUint16(0x36, true);
  const headerCount = view.getUint16(0x38, true);
  let end = programHeaders + headerSize * headerCount;
  for (let n = 0; n < headerCount; n++) {
    const header = programHeaders + n * headerSize;
    end = Math.max(end, uint64(header + 0x08) + uint64(header + 0x20));
  }

  const stripped = elf.slice(0, end);
  const header = new DataView(stripped.buffer);
  header.setBigUint64(0x28, 0n); // e_shoff
  header.setUint16(0x3c, 0); // e_shnum
  header.setUint16(0x3e, 0); // e_shstrndx
  return stripped;
}
