import type { ElfFile, ElfNote } from './elf.ts';
import { findPattern, findTexts } from './file-texts.ts';
import type { KernelReader } from './kernel-format.ts';

/** Whose kernel an ELF file is. */
export interface ElfGuest {
  /** As ucrun calls such guests; it may be one that this ucrun does not know. */
  readonly guest: string;
  /** What it is, in words. */
  readonly name: string;
  /** The version of its system, where the file says. */
  readonly version: string | undefined;
  /** Why it cannot run here by itself, and what it would need; undefined: nothing is against it. */
  readonly needs: string | undefined;
  /** The key of the file that it needs beside it, if that is all. An initrd lacks a kernel. */
  readonly lacks?: 'kernel' | 'initrd' | 'disk';
}

/**
 * Tell whose kernel an ELF file is, by its notes and sections where its system has any of its own, else by texts in it.
 * Everything else that can be booted is a guest of its own: `raw`.
 * @see Solo5/solo5 include/elf_abi.h, include/mft_abi.h; hermit-os/hermit-entry src/note.rs; unikraft/unikraft
 * lib/uklibid/include/uk/libid/info.h, lib/ukboot/banner.c, include/uk/ctors.h; cloudius-systems/osv arch/x64/entry-xen.S,
 * loader.cc; rumpkernel/rumprun app-tools/recipe.s.in; nanovms/nanos src/fs/tlog.c; hermit-os/loader src/log.rs
 */
export function identifyElfGuest(file: KernelReader, elf: ElfFile): ElfGuest {
  return rumprun(elf) ?? solo5(elf) ?? hermitApplication(elf) ?? unikraft(file, elf) ?? byTexts(file, elf);
}

const solo5Targets: Readonly<Record<number, string>> = {
  1: 'hvt',
  2: 'spt',
  3: 'virtio',
  4: 'muen',
  5: 'genode',
  6: 'xen',
};
const solo5Abi = 0x31494241;

function solo5({ notes }: ElfFile): ElfGuest | undefined {
  const abi = findNote(notes, 'Solo5', solo5Abi);
  if (abi === undefined) return undefined;
  const target = solo5Targets[firstWord(abi)] ?? `number ${firstWord(abi)}`;
  return {
    guest: 'mirage',
    name: `Solo5 unikernel (MirageOS) for the target ${target}`,
    version: undefined,
    needs:
      target === 'virtio'
        ? undefined
        : `it is built for the Solo5 target ${target}; QEMU runs the target virtio (mirage configure -t virtio)`,
  };
}

function rumprun({ notes }: ElfFile): ElfGuest | undefined {
  const recipe = findNote(notes, 'rumpkernel.org', 0x101);
  if (recipe === undefined) return undefined;
  const target = findNote(notes, 'Solo5', solo5Abi) === undefined ? 'rumprun' : 'solo5-hvt or solo5-spt';
  return {
    guest: 'rumprun',
    name: 'Rumprun unikernel',
    version: undefined,
    needs: `ucrun has no support for Rumprun; it would need ${target} itself`,
  };
}

const hermitEntryVersion = 0x5a00;
const gnuAbiTag = 1;
const hermitOs = 6;

function hermitApplication({ notes }: ElfFile): ElfGuest | undefined {
  const tag = notes.find(
    (note) => note.owner === 'GNU' && note.type === gnuAbiTag && firstWord(note) === hermitOs,
  );
  if (tag === undefined && findNote(notes, 'HERMIT', hermitEntryVersion) === undefined) return undefined;
  return {
    guest: 'hermit',
    name: 'Hermit application',
    version: tag && tag.description.length >= 16 ? versionOfTag(tag.description) : undefined,
    needs: 'it needs the Hermit loader as its kernel, and is the initrd itself',
    lacks: 'kernel',
  };
}

function versionOfTag(description: Uint8Array): string {
  const words = new DataView(description.buffer, description.byteOffset, description.byteLength);
  return [4, 8, 12].map((at) => words.getUint32(at, true)).join('.');
}

const unikraftInfo = '.uk_libinfo';

function unikraft(file: KernelReader, { sections }: ElfFile): ElfGuest | undefined {
  if (!sections.some(({ name }) => name.startsWith('.uk_'))) return undefined;
  return unikraftGuest(
    file,
    sections.find(({ name }) => name === unikraftInfo),
  );
}

function unikraftGuest(
  file: KernelReader,
  info: { offset: number; sizeBytes: number } | undefined,
): ElfGuest {
  const version = (info && versionInLibraryInfo(file, info)) ?? versionInBanner(file);
  return { guest: 'unikraft', name: 'Unikraft unikernel', version, needs: undefined };
}

const recordTypes = { unikraftVersion: 6, unikraftFullVersion: 7 } as const;
const maxInfoBytes = 1024 * 1024;

/** Headers of length and layout version, each with records of type, length and data; lengths count from their own start. */
function versionInLibraryInfo(
  file: KernelReader,
  { offset, sizeBytes }: { offset: number; sizeBytes: number },
): string | undefined {
  if (offset > file.sizeBytes) return undefined;
  const bytes = file.read(offset, Math.min(sizeBytes, maxInfoBytes));
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 6 <= data.byteLength; ) {
    const end = Math.min(at + data.getUint32(at, true), data.byteLength);
    for (let record = at + 6; record + 6 <= end; ) {
      const type = data.getUint16(record, true);
      const length = data.getUint32(record + 2, true);
      if (length < 6 || record + length > end) break;
      if (type === recordTypes.unikraftVersion || type === recordTypes.unikraftFullVersion)
        return numberOf(Buffer.from(bytes.subarray(record + 6, record + length)).toString('latin1'));
      record += length;
    }
    if (end < at + 6) break;
    at = end;
  }
  return undefined;
}

/** The banner ends in a code name and the version, with the commit where that is known. */
function versionInBanner(file: KernelReader): string | undefined {
  return findPattern(
    file,
    /(?<![\w.])[A-Z][a-z]{2,14} \(?(\d+\.\d+\.\d+)(?:~[0-9a-f]{7,}[\w.-]*)?\)?[\0\n]/,
  )?.[1];
}

const marks = {
  unikraft: 'Powered by Unikraft',
  osv: 'OSv v',
  rumprun: '_RUMPRUN_ROOTFSCFG',
  hermitLoader: 'Hermit Loader version',
  hermitLog: '[LOADER][',
  nanos: 'NVMTFS',
  mewz: 'bspEarlyInit',
  linux: 'Linux version ',
} as const;
const xenGuestOs = 6;

function byTexts(file: KernelReader, { notes }: ElfFile): ElfGuest {
  const found = findTexts(file, Object.values(marks));
  const guestOs = textOf(findNote(notes, 'Xen', xenGuestOs));
  if (found.has(marks.unikraft) || guestOs === 'Unikraft') return unikraftGuest(file, undefined);
  if (guestOs === 'osv' || found.has(marks.osv)) return osvGuest(file);
  if (found.has(marks.rumprun))
    return {
      guest: 'rumprun',
      name: 'Rumprun unikernel',
      version: undefined,
      needs: 'ucrun has no support for Rumprun',
    };
  if (found.has(marks.hermitLoader) || found.has(marks.hermitLog))
    return {
      guest: 'hermit',
      name: 'Hermit loader',
      version: undefined,
      needs: 'it needs a Hermit application as its initrd',
      lacks: 'initrd',
    };
  if (found.has(marks.nanos))
    return {
      guest: 'nanos',
      name: 'Nanos kernel',
      version: undefined,
      needs: 'it needs a disk image that ops made',
      lacks: 'disk',
    };
  if (found.has(marks.mewz))
    return { guest: 'mewz', name: 'Mewz unikernel', version: undefined, needs: undefined };
  if (guestOs === 'linux' || found.has(marks.linux))
    return {
      guest: 'linux',
      name: 'Linux kernel',
      version: findPattern(file, /Linux version (\d[\w.+~-]*)/)?.[1],
      needs: undefined,
    };
  return {
    guest: 'raw',
    name: 'Kernel of no known system',
    version: undefined,
    needs: undefined,
  };
}

/** OSv, whatever its kernel is wrapped in. */
export function osvGuest(file: KernelReader): ElfGuest {
  const version = findPattern(file, /OSv v(\d+\.\d+(?:\.\d+)?)/)?.[1];
  return { guest: 'osv', name: 'OSv kernel', version, needs: undefined };
}

function findNote(notes: readonly ElfNote[], owner: string, type: number): ElfNote | undefined {
  return notes.find((note) => note.owner === owner && note.type === type);
}

function firstWord({ description }: ElfNote): number {
  if (description.length < 4) return 0;
  return new DataView(description.buffer, description.byteOffset, description.byteLength).getUint32(0, true);
}

function textOf(note: ElfNote | undefined): string | undefined {
  return note && Buffer.from(note.description).toString('latin1').replace(/\0.*$/s, '');
}

function numberOf(text: string): string | undefined {
  return /^\D{0,16}?(\d+\.\d+(?:\.\d+)*)/.exec(text)?.[1];
}
