import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { withKernelReader } from '../../src/host/files.ts';
import {
  identifyKernel,
  type KernelFormat,
  type KernelReader,
  requireKernelFormat,
} from '../../src/unikernel/kernel-format.ts';
import { probeGuestElf } from '../../src/unikernel/probe-guest.ts';
import { Random } from './support/random.ts';

interface ElfOptions {
  readonly bits: 32 | 64;
  readonly notes?: readonly Uint8Array[];
  /** Bytes between the program headers and the notes. */
  readonly gap?: number;
  /** Offset of a multiboot header. */
  readonly multibootAt?: number;
  readonly multibootFlags?: number;
  readonly size?: number;
}

/** A note: sizes, type, name and description, each padded to four bytes. */
function note(name: string, type: number, description: Uint8Array): Uint8Array {
  const nameBytes = Buffer.from(`${name}\0`);
  const bytes = Buffer.alloc(12 + align(nameBytes.length) + align(description.length));
  bytes.writeUInt32LE(nameBytes.length, 0);
  bytes.writeUInt32LE(description.length, 4);
  bytes.writeUInt32LE(type, 8);
  nameBytes.copy(bytes, 12);
  bytes.set(description, 12 + align(nameBytes.length));
  return bytes;
}

const align = (size: number) => (size + 3) & ~3;
const pvhNote = note('Xen', 18, Uint8Array.of(0, 0, 0x10, 0));
const otherNotes = [
  note('GNU', 3, new Uint8Array(20)),
  note('Xen', 5, new Uint8Array(3)),
  note('Solo5', 18, new Uint8Array(4)),
];

/** An ELF file with one loadable segment and, if there are notes, one note segment. */
function elf({ bits, notes = [], gap = 0, multibootAt, multibootFlags, size = 0 }: ElfOptions): Buffer {
  const is64 = bits === 64;
  const headerSize = is64 ? 64 : 52;
  const entrySize = is64 ? 56 : 32;
  const noteBytes = Buffer.concat(notes);
  const notesAt = headerSize + 2 * entrySize + gap;
  const file = Buffer.alloc(Math.max(notesAt + noteBytes.length, size, (multibootAt ?? 0) + 12, 64));
  file.set([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1]);
  if (is64) file.writeBigUInt64LE(BigInt(headerSize), 32);
  else file.writeUInt32LE(headerSize, 28);
  file.writeUInt16LE(entrySize, is64 ? 54 : 42);
  file.writeUInt16LE(notes.length > 0 ? 2 : 1, is64 ? 56 : 44);
  file.writeUInt32LE(1, headerSize);
  if (notes.length > 0) {
    const at = headerSize + entrySize;
    file.writeUInt32LE(4, at);
    if (is64) {
      file.writeBigUInt64LE(BigInt(notesAt), at + 8);
      file.writeBigUInt64LE(BigInt(noteBytes.length), at + 32);
    } else {
      file.writeUInt32LE(notesAt, at + 4);
      file.writeUInt32LE(noteBytes.length, at + 16);
    }
    noteBytes.copy(file, notesAt);
  }
  if (multibootAt !== undefined) file.set(multibootHeader(multibootFlags), multibootAt);
  return file;
}

function multibootHeader(flags = 0x00000003): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt32LE(0x1badb002, 0);
  header.writeUInt32LE(flags, 4);
  header.writeUInt32LE((0x1_0000_0000 - ((0x1badb002 + flags) % 0x1_0000_0000)) % 0x1_0000_0000, 8);
  return header;
}

function bzImage(): Buffer {
  const file = Buffer.alloc(1024);
  file.set([0x4d, 0x5a], 0);
  file.set([0x55, 0xaa], 0x1fe);
  file.write('HdrS', 0x202, 'latin1');
  return file;
}

/** Gives what a file would, fails on what a file would refuse, and notes how much was asked for. */
function reader(bytes: Uint8Array): KernelReader & { readonly asked: { bytes: number; reads: number } } {
  const asked = { bytes: 0, reads: 0 };
  return {
    asked,
    sizeBytes: bytes.length,
    read(offset, length) {
      if (!Number.isSafeInteger(offset) || offset < 0) throw new RangeError(`offset ${offset}`);
      if (!Number.isSafeInteger(length) || length < 0) throw new RangeError(`length ${length}`);
      asked.bytes += length;
      asked.reads += 1;
      // A view into a larger buffer, as Node's buffers are: reading past its end must not show what lies there.
      return bytes.subarray(Math.min(offset, bytes.length), Math.min(offset + length, bytes.length));
    },
  };
}

const identify = (bytes: Uint8Array) => identifyKernel(reader(bytes));

t.test('identifyKernel() knows every kind of kernel', async (t) => {
  const bits = [32, 64] as const;
  const cases: readonly [what: string, file: Buffer, format: KernelFormat | undefined][] = [
    ['bzImage', bzImage(), { kind: 'bzimage' }],
    ...bits.flatMap((bits): [string, Buffer, KernelFormat | undefined][] => [
      [`${bits}-bit PVH`, elf({ bits, notes: [pvhNote] }), { kind: 'pvh-elf', bits }],
      [
        `${bits}-bit PVH behind other notes`,
        elf({ bits, notes: [...otherNotes, pvhNote] }),
        { kind: 'pvh-elf', bits },
      ],
      [
        `${bits}-bit PVH far into the file`,
        elf({ bits, notes: [pvhNote], gap: 1 << 20 }),
        { kind: 'pvh-elf', bits },
      ],
      [`${bits}-bit multiboot`, elf({ bits, multibootAt: 4096 }), { kind: 'multiboot-elf', bits }],
      [
        `${bits}-bit multiboot that says where it is to be loaded`,
        elf({ bits, multibootAt: 4096, multibootFlags: 0x0001_0003 }),
        { kind: 'multiboot-elf', bits: 32 },
      ],
      [
        `${bits}-bit multiboot at the last place`,
        elf({ bits, multibootAt: 8180 }),
        { kind: 'multiboot-elf', bits },
      ],
      [
        `${bits}-bit multiboot with other notes`,
        elf({ bits, notes: otherNotes, multibootAt: 4096 }),
        { kind: 'multiboot-elf', bits },
      ],
      [
        `${bits}-bit PVH and multiboot`,
        elf({ bits, notes: [pvhNote], multibootAt: 4096 }),
        { kind: 'pvh-elf', bits },
      ],
      [`${bits}-bit with neither`, elf({ bits, notes: otherNotes, size: 20000 }), undefined],
      [`${bits}-bit multiboot behind the first 8 KiB`, elf({ bits, multibootAt: 8192 }), undefined],
      [`${bits}-bit multiboot between words`, elf({ bits, multibootAt: 4098 }), undefined],
    ]),
    ['the probe guest', Buffer.from(probeGuestElf()), { kind: 'pvh-elf', bits: 32 }],
    ['nothing', Buffer.alloc(0), undefined],
    ['zeros', Buffer.alloc(10000), undefined],
    ['a script', Buffer.from('#!/bin/sh\n'.repeat(100)), undefined],
    ['a multiboot header in no ELF file', Buffer.concat([multibootHeader(), Buffer.alloc(5000)]), undefined],
    [
      'a boot sector that is no Linux',
      Buffer.alloc(1024).fill(0xaa, 0x1ff, 0x200).fill(0x55, 0x1fe, 0x1ff),
      undefined,
    ],
  ];
  for (const [what, file, format] of cases) t.strictSame(identify(file), format, what);
});

t.test('identifyKernel() refuses headers that are nearly right', async (t) => {
  const changed = (at: number, value: number, file = elf({ bits: 64, notes: [pvhNote] })) => {
    file[at] = value;
    return file;
  };
  const wrongSum = elf({ bits: 32, multibootAt: 4096 });
  wrongSum[4096 + 8] = (wrongSum[4096 + 8] ?? 0) ^ 1;
  const cases: readonly [what: string, file: Buffer][] = [
    ['another magic', changed(1, 0x46)],
    ['class 0', changed(4, 0)],
    ['class 3', changed(4, 3)],
    ['big-endian', changed(5, 2)],
    ['program headers of size 0', changed(54, 0)],
    ['more program headers than there can be', changed(57, 0xff)],
    ['another note type', elf({ bits: 64, notes: [note('Xen', 17, new Uint8Array(4))] })],
    ['another owner of the note', elf({ bits: 64, notes: [note('Xeo', 18, new Uint8Array(4))] })],
    ['a multiboot header whose sum is wrong', wrongSum],
    ['HdrS without the boot signature', changed(0x1fe, 0, bzImage())],
  ];
  for (const [what, file] of cases) t.equal(identify(file), undefined, what);
});

t.test(
  'identifyKernel() says the same of a file cut behind what it needs, and nothing of a shorter one',
  async (t) => {
    const gap = 100;
    for (const bits of [32, 64] as const) {
      const whole = elf({ bits, notes: [pvhNote], gap });
      // The description may be cut: only that there is an entry counts, QEMU reads where it is.
      const needed = whole.length - 4;
      for (let length = 0; length <= whole.length; length++) {
        const format = identify(whole.subarray(0, length));
        const expected = length >= needed ? { kind: 'pvh-elf', bits } : undefined;
        if (JSON.stringify(format) !== JSON.stringify(expected))
          t.strictSame(format, expected, `${bits}-bit, ${length} bytes`);
      }
      t.pass(`${whole.length + 1} lengths of a ${bits}-bit PVH file`);
    }
    const multiboot = elf({ bits: 32, multibootAt: 512 });
    for (let length = 0; length <= multiboot.length; length++) {
      const expected = length >= 512 + 12 ? 'multiboot-elf' : undefined;
      const kind = identify(multiboot.subarray(0, length))?.kind;
      if (kind !== expected) t.equal(kind, expected, `multiboot, ${length} bytes`);
    }
    const linux = bzImage();
    for (let length = 0; length <= linux.length; length++) {
      const expected = length >= 0x206 ? 'bzimage' : undefined;
      const kind = identify(linux.subarray(0, length))?.kind;
      if (kind !== expected) t.equal(kind, expected, `bzImage, ${length} bytes`);
    }
    t.pass('every length of a multiboot file and of a bzImage');
  },
);

/** Sizes and offsets on which a reader may trip. */
const hostile = [0, 1, 4, 11, 12, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff];
const limits = { bytes: 8192 + 128 * 65535 + 128 * 64 * 1024, reads: 2 + 128 };

t.test('identifyKernel() never throws, reads sanely and soon ends, whatever the file says', async (t) => {
  const random = new Random(1);
  const kinds = new Set(['bzimage', 'pvh-elf', 'multiboot-elf', undefined]);
  const bases = [
    elf({ bits: 32, notes: [...otherNotes, pvhNote], multibootAt: 1024 }),
    elf({ bits: 64, notes: [...otherNotes, pvhNote], multibootAt: 1024 }),
    elf({ bits: 64, notes: [pvhNote] }),
    bzImage(),
  ];
  const rounds = 20_000;
  for (let round = 0; round < rounds; round++) {
    const file = Buffer.from(random.pick(bases));
    // Half of the damage hits the headers, whose numbers lead everywhere else.
    for (let times = random.below(6) + 1; times > 0; times--) {
      const reach = random.below(2) === 0 ? Math.min(200, file.length - 3) : file.length - 3;
      const at = random.below(reach);
      if (random.below(2) === 0) file.writeUInt32LE(random.pick(hostile), at);
      else file[at] = random.below(256);
    }
    const source = reader(file.subarray(0, random.below(4) === 0 ? random.below(file.length) : file.length));
    try {
      const format = identifyKernel(source);
      if (!kinds.has(format?.kind)) t.fail(`round ${round}: ${JSON.stringify(format)}`);
    } catch (error) {
      t.fail(`round ${round}: ${String(error)}`);
    }
    if (source.asked.bytes > limits.bytes || source.asked.reads > limits.reads)
      t.fail(`round ${round}: ${JSON.stringify(source.asked)}`);
  }
  t.pass(`${rounds} damaged files`);
});

t.test('identifyKernel() follows no offset out of the file', async (t) => {
  for (const value of [2n ** 64n - 1n, 2n ** 63n, 2n ** 53n, 2n ** 32n, 100_000n]) {
    const table = elf({ bits: 64, notes: [pvhNote] });
    table.writeBigUInt64LE(value, 32);
    t.equal(identify(table), undefined, `program headers at ${value}`);
    const offset = elf({ bits: 64, notes: [pvhNote] });
    offset.writeBigUInt64LE(value, 64 + 56 + 8);
    t.equal(identify(offset), undefined, `notes at ${value}`);
    const size = elf({ bits: 64, notes: [pvhNote] });
    size.writeBigUInt64LE(value, 64 + 56 + 32);
    t.strictSame(
      identify(size),
      { kind: 'pvh-elf', bits: 64 },
      `notes of ${value} bytes, cut to what is there`,
    );
  }
});

t.test('identifyKernel() reads through withKernelReader() as through memory', async (t) => {
  const path = join(t.testdir(), 'kernel');
  const files = [
    elf({ bits: 64, notes: [pvhNote], gap: 70_000 }),
    elf({ bits: 32, multibootAt: 600 }),
    Buffer.alloc(10),
    Buffer.alloc(0),
  ];
  for (const file of files) {
    writeFileSync(path, file);
    t.strictSame(withKernelReader(path, identifyKernel), identify(file), `${file.length} bytes`);
  }
});

t.test('requireKernelFormat() names the file as its user does', async (t) => {
  t.strictSame(requireKernelFormat(reader(bzImage()), '/k'), { kind: 'bzimage' });
  t.throws(() => requireKernelFormat(reader(Buffer.from('text')), 'boot/app'), {
    code: 'KERNEL_INVALID',
    message: '"boot/app" is not a kernel that QEMU can boot',
    hint: /bzImage.*PVH.*multiboot/,
  });
});
