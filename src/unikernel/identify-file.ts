import { type ElfFile, elfMachines, readElf } from './elf.ts';
import { findTexts } from './file-texts.ts';
import { type ElfGuest, identifyElfGuest, osvGuest } from './identify-guest.ts';
import { identifyKernel, type KernelFormat, type KernelReader } from './kernel-format.ts';
import { isNanosImage } from './nanos/partitions.ts';
import { tarIndex } from './tar-index.ts';
import type { DiskFormat } from './volumes.ts';

/** What a file turned out to be. */
export type FileIdentity = {
  /** In words, such as `Unikraft unikernel 0.17.0, 32-bit ELF file with a multiboot header`. */
  readonly description: string;
  /** Why it cannot be run as it is, and what it would need; undefined: nothing is against it. */
  readonly needs: string | undefined;
} & (
  | {
      readonly kind: 'kernel';
      /** As ucrun calls such guests; it may be one that this ucrun does not know. */
      readonly guest: string;
      /** The version of the guest's system, where the file says. */
      readonly version: string | undefined;
      /** undefined: QEMU cannot boot it. */
      readonly format: KernelFormat | undefined;
      /** The key of the one file that it needs beside it; an initrd lacks a kernel. */
      readonly lacks: ElfGuest['lacks'] | undefined;
    }
  | {
      readonly kind: 'disk';
      /** undefined: it is not to be seen from outside. */
      readonly guest: string | undefined;
      readonly format: DiskFormat;
    }
  | { readonly kind: 'oci-archive' }
  | { readonly kind: 'other' }
);

/**
 * Tell what a file is by what is in it; its name says nothing. The file may claim anything, so every offset is checked and no
 * more than its headers and some texts are read.
 */
export function identifyFile(file: KernelReader): FileIdentity {
  const elf = readElf(file);
  if (elf !== undefined) return elfIdentity(file, elf);
  if (identifyKernel(file)?.kind === 'bzimage') return bzImageIdentity(file);
  return diskIdentity(file) ?? archiveIdentity(file) ?? other(file);
}

function elfIdentity(file: KernelReader, elf: ElfFile): FileIdentity {
  const guest = identifyElfGuest(file, elf);
  const format = identifyKernel(file);
  const ofProcessor = processorNeeds(elf);
  const needs = ofProcessor ?? guest.needs ?? formatNeeds(format, guest);
  const lacks = ofProcessor === undefined ? guest.lacks : undefined;
  const { version } = guest;
  const form = `${elf.bits}-bit ELF file ${formatText(format)}`;
  // Most such files are programs.
  const parts = guest.guest === 'raw' && format === undefined ? [form] : [nameAndVersion(guest), form];
  return { kind: 'kernel', guest: guest.guest, version, format, needs, lacks, description: parts.join(', ') };
}

function nameAndVersion({ name, version }: ElfGuest): string {
  return version === undefined ? name : `${name} ${version}`;
}

function formatText(format: KernelFormat | undefined): string {
  switch (format?.kind) {
    case 'pvh-elf':
      return 'with a PVH note';
    case 'multiboot-elf':
      return 'with a multiboot header';
    default:
      return 'without a PVH note or multiboot header';
  }
}

function processorNeeds({ machine }: ElfFile): string | undefined {
  if (machine === elfMachines.i386 || machine === elfMachines.x86_64) return undefined;
  return machine === elfMachines.aarch64
    ? 'it is built for arm64, and ucrun has machines for x86-64 only'
    : `it is built for another processor (ELF machine ${machine}); ucrun has machines for x86-64 only`;
}

function formatNeeds(format: KernelFormat | undefined, { guest }: ElfGuest): string | undefined {
  if (format === undefined) {
    const remedy =
      guest === 'unikraft'
        ? 'build it for the platform qemu'
        : 'build it with a PVH note or a multiboot header';
    return `QEMU cannot boot it as a kernel; ${remedy}`;
  }
  // QEMU's loader of multiboot kernels refuses 64-bit files.
  return format.kind === 'multiboot-elf' && format.bits === 64
    ? 'QEMU boots multiboot kernels from 32-bit ELF files only; convert it (objcopy -O elf32-i386)'
    : undefined;
}

/** @see Linux Documentation/arch/x86/boot.rst (kernel_version) */
function bzImageIdentity(file: KernelReader): FileIdentity {
  const kernel = { kind: 'kernel', format: { kind: 'bzimage' }, needs: undefined, lacks: undefined } as const;
  if (findTexts(file, ['OSv v']).size > 0) {
    const osv = osvGuest(file);
    const description = `${nameAndVersion(osv)}, in the form of a Linux bzImage`;
    return { ...kernel, guest: 'osv', version: osv.version, description };
  }
  const head = Buffer.from(file.read(0, 0x210));
  const versionAt = head.length < 0x210 ? 0 : head.readUInt16LE(0x20e);
  const text = Buffer.from(file.read(versionAt + 0x200, 128)).toString('latin1');
  const version = versionAt === 0 ? undefined : /^(\d[\w.+~-]*)[ \0]/.exec(text)?.[1];
  const description = `Linux kernel${version === undefined ? '' : ` ${version}`}, bzImage`;
  return { ...kernel, guest: 'linux', version, description };
}

function diskIdentity(file: KernelReader): FileIdentity | undefined {
  if (isNanosImage(file))
    return { kind: 'disk', guest: 'nanos', format: 'raw', needs: undefined, description: 'Nanos disk image' };
  const head = Buffer.from(file.read(0, 512));
  if (head.length < 512) return undefined;
  const unseen =
    'which guest is on it cannot be seen; say it with "ucrun image add NAME --guest … --disk FILE"';
  if (head.readUInt32BE(0) === 0x514649fb) {
    const description = `qcow2 disk image, version ${head.readUInt32BE(4)}`;
    return { kind: 'disk', guest: undefined, format: 'qcow2', needs: unseen, description };
  }
  // The archives of tar, too, may hold these two bytes there, as the end of a long link's name.
  if (head.readUInt16BE(510) === 0x55aa && !isTar(head)) {
    const description = 'disk image with a boot sector';
    return { kind: 'disk', guest: undefined, format: 'raw', needs: unseen, description };
  }
  return undefined;
}

function isTar(head: Buffer): boolean {
  return head.toString('latin1', 257, 262) === 'ustar';
}

function archiveIdentity(file: KernelReader): FileIdentity | undefined {
  const names = tarIndex(file)?.map(({ name }) => name);
  if (names === undefined) return undefined;
  if (names.includes('oci-layout'))
    return { kind: 'oci-archive', needs: undefined, description: 'OCI image archive' };
  const needs = 'ucrun imports OCI archives; convert it (skopeo copy docker-archive:FILE oci-archive:OTHER)';
  return names.includes('manifest.json')
    ? { kind: 'other', needs, description: 'docker image archive' }
    : { kind: 'other', needs: 'there is no image in it', description: 'tar archive' };
}

const magics: readonly (readonly [offset: number, bytes: string, description: string, needs: string])[] = [
  [0, '070701', 'cpio archive', 'it can be the initrd of a kernel'],
  [0, '\x1f\x8b', 'gzip-compressed file', 'if it is an initrd, it needs a kernel; else unpack it (gunzip)'],
  [
    0,
    '\x28\xb5\x2f\xfd',
    'zstd-compressed file',
    'if it is an initrd, it needs a kernel; else unpack it (unzstd)',
  ],
  [0, '\xfd7zXZ', 'xz-compressed file', 'if it is an initrd, it needs a kernel; else unpack it (unxz)'],
  [0x38, 'ARM\x64', 'Linux kernel for arm64', 'ucrun has machines for x86-64 only'],
  [0x438, '\x53\xef', 'ext file system', 'it can be a disk of a unikernel that has a kernel'],
  [0, 'NVMTFS', 'Nanos volume', 'it holds files and no kernel; give it to a container as a volume'],
  [0, 'MZ', 'EFI or DOS program', 'it needs firmware that ucrun does not start'],
];

function other(file: KernelReader): FileIdentity {
  const head = Buffer.from(file.read(0, 0x440)).toString('latin1');
  if (head === '') return { kind: 'other', description: 'empty file', needs: 'there is nothing in it' };
  const known = magics.find(([offset, bytes]) => head.startsWith(bytes, offset));
  if (known !== undefined) return { kind: 'other', description: known[2], needs: known[3] };
  return {
    kind: 'other',
    description: 'file of no known kind',
    needs: 'it is no kernel that QEMU can boot, no Nanos disk and no OCI image',
  };
}
