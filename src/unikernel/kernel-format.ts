import { RuntimeError } from '../base/runtime-error.ts';

/**
 * What kind of file a kernel is, as far as booting it goes.
 * `bits` is the ELF class: multiboot loaders take 32-bit files only. A multiboot file whose header says itself where it is to be
 * loaded counts as one of 32 bits, as nobody then reads it as ELF.
 */
export type KernelFormat =
  | { readonly kind: 'bzimage' }
  | { readonly kind: 'pvh-elf'; readonly bits: 32 | 64 }
  | { readonly kind: 'multiboot-elf'; readonly bits: 32 | 64 };

/** A kernel file, of which parts are read: note segments may lie far from the start. */
export interface KernelReader {
  readonly sizeBytes: number;
  /** Up to `length` bytes from `offset`; fewer at the end of the file. */
  read(offset: number, length: number): Uint8Array;
}

/**
 * Tell a kernel's format from its headers; a file may claim anything, so every offset is checked.
 * @returns undefined if it is nothing that QEMU can boot directly
 * @see Linux Documentation/arch/x86/boot.rst (HdrS), Xen public/elfnote.h (XEN_ELFNOTE_PHYS32_ENTRY = 18),
 * Multiboot Specification 0.6.96 §3.1
 */
export function identifyKernel(file: KernelReader): KernelFormat | undefined {
  const head = view(file.read(0, 8192));
  if (hasBytes(head, 0x1fe, [0x55, 0xaa]) && hasBytes(head, 0x202, [0x48, 0x64, 0x72, 0x53]))
    return { kind: 'bzimage' };
  if (!hasBytes(head, 0, [0x7f, 0x45, 0x4c, 0x46]) || head.byteLength < 64) return undefined;
  const elfClass = head.getUint8(4);
  const isLittleEndian = head.getUint8(5) === 1;
  if ((elfClass !== 1 && elfClass !== 2) || !isLittleEndian) return undefined;
  const bits = elfClass === 1 ? 32 : 64;
  if (hasPvhNote(file, head, bits)) return { kind: 'pvh-elf', bits };
  const flags = multibootFlags(head);
  if (flags === undefined) return undefined;
  return { kind: 'multiboot-elf', bits: (flags & hasLoadAddresses) === 0 ? bits : 32 };
}

/**
 * The same, for a kernel that is to be booted.
 * @throws RuntimeError KERNEL_INVALID, naming the file as the user knows it
 */
export function requireKernelFormat(file: KernelReader, shownPath: string): KernelFormat {
  const format = identifyKernel(file);
  if (format !== undefined) return format;
  throw new RuntimeError('KERNEL_INVALID', `"${shownPath}" is not a kernel that QEMU can boot`, {
    hint: 'it must be a Linux bzImage, or an ELF file with a PVH note (XEN_ELFNOTE_PHYS32_ENTRY) or a multiboot header',
  });
}

const programHeaderNote = 4;
const pvhEntryNote = 18;
const maxNoteBytes = 64 * 1024;
const maxProgramHeaders = 128;

function hasPvhNote(file: KernelReader, head: DataView, bits: 32 | 64): boolean {
  const is64 = bits === 64;
  const tableOffset = is64 ? Number(head.getBigUint64(32, true)) : head.getUint32(28, true);
  const entrySize = head.getUint16(is64 ? 54 : 42, true);
  const count = head.getUint16(is64 ? 56 : 44, true);
  if (entrySize < (is64 ? 56 : 32) || count > maxProgramHeaders || tableOffset > file.sizeBytes) return false;
  const table = view(file.read(tableOffset, entrySize * count));
  for (let at = 0; at + entrySize <= table.byteLength; at += entrySize) {
    if (table.getUint32(at, true) !== programHeaderNote) continue;
    const offset = is64 ? Number(table.getBigUint64(at + 8, true)) : table.getUint32(at + 4, true);
    const size = is64 ? Number(table.getBigUint64(at + 32, true)) : table.getUint32(at + 16, true);
    if (offset > file.sizeBytes) continue;
    if (notesHavePvhEntry(view(file.read(offset, Math.min(size, maxNoteBytes))))) return true;
  }
  return false;
}

function notesHavePvhEntry(notes: DataView): boolean {
  let at = 0;
  while (at + 12 <= notes.byteLength) {
    const nameSize = notes.getUint32(at, true);
    const descriptionSize = notes.getUint32(at + 4, true);
    const isXen = hasBytes(notes, at + 12, [0x58, 0x65, 0x6e, 0x00]);
    if (nameSize === 4 && isXen && notes.getUint32(at + 8, true) === pvhEntryNote) return true;
    at += 12 + align4(nameSize) + align4(descriptionSize);
  }
  return false;
}

/** Bit 16 of the header's flags. @see Multiboot Specification 0.6.96 §3.1.2; QEMU hw/i386/multiboot.c */
const hasLoadAddresses = 0x1_0000;

function multibootFlags(head: DataView): number | undefined {
  for (let at = 0; at + 12 <= head.byteLength; at += 4) {
    if (head.getUint32(at, true) !== 0x1badb002) continue;
    const flags = head.getUint32(at + 4, true);
    if ((0x1badb002 + flags + head.getUint32(at + 8, true)) % 0x1_0000_0000 === 0) return flags;
  }
  return undefined;
}

function align4(size: number): number {
  return Math.ceil(size / 4) * 4;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function hasBytes(data: DataView, offset: number, bytes: readonly number[]): boolean {
  return (
    offset + bytes.length <= data.byteLength &&
    bytes.every((byte, index) => data.getUint8(offset + index) === byte)
  );
}
