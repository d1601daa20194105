import t from 'tap';
import { identifyFile } from '../../src/unikernel/identify-file.ts';
import { probeGuestElf } from '../../src/unikernel/probe-guest.ts';
import { type ElfParts, elfFile, note, pvhNote, readerOf, words } from './support/elf.ts';
import { Random } from './support/random.ts';

const solo5 = (target: number) => note('Solo5', 0x31494241, words(target, 1, 0, 0));
const recipe = note('rumpkernel.org', 0x101, Buffer.from('rumprun_tuple: x86_64-rumprun-netbsd\0'));
const info = Buffer.concat([
  words(6 + 6 + 8),
  Buffer.from([1, 0, 1, 0, 14, 0, 0, 0]),
  Buffer.from('libname\0'),
  words(6 + 6 + 16),
  Buffer.from([1, 0, 7, 0, 22, 0, 0, 0]),
  Buffer.from('0.17.0~13fc7d44\0'),
]);

const elfCases: readonly (readonly [
  name: string,
  parts: ElfParts,
  guest: string,
  version: string | undefined,
  needs: RegExp | undefined,
])[] = [
  ['no known system', { notes: [pvhNote] }, 'raw', undefined, undefined],
  [
    'Unikraft by its library information',
    { bits: 32, machine: 3, multiboot: true, sections: { '.uk_libinfo': info } },
    'unikraft',
    '0.17.0',
    undefined,
  ],
  [
    'Unikraft by a section, with a version in its banner',
    {
      bits: 32,
      multiboot: true,
      sections: { '.text': Buffer.alloc(9), '.uk_ctortab': words(1) },
      texts: ['Telesto 0.16.3~abcdef12'],
    },
    'unikraft',
    '0.16.3',
    undefined,
  ],
  [
    'Unikraft by its shortest banner',
    { notes: [pvhNote], texts: ['Powered by Unikraft Atlas (0.13.1~abcdef12)\n'] },
    'unikraft',
    '0.13.1',
    undefined,
  ],
  [
    'Unikraft for Firecracker',
    { sections: { '.uk_inittab': words(1) } },
    'unikraft',
    undefined,
    /platform qemu/,
  ],
  [
    'Solo5 for virtio',
    { bits: 32, multiboot: true, notes: [note('OpenBSD', 1, words(0)), solo5(3)] },
    'mirage',
    undefined,
    undefined,
  ],
  ['Solo5 for hvt', { notes: [solo5(1)] }, 'mirage', undefined, /Solo5 target hvt; .*virtio/],
  ['Solo5 for spt', { notes: [solo5(2)] }, 'mirage', undefined, /target spt/],
  ['Solo5 for what is not there yet', { notes: [solo5(99)] }, 'mirage', undefined, /target number 99/],
  ['Rumprun', { notes: [recipe] }, 'rumprun', undefined, /no support/],
  ['Rumprun on Solo5', { notes: [solo5(1), recipe] }, 'rumprun', undefined, /solo5-hvt/],
  [
    'Rumprun by its option',
    { bits: 32, multiboot: true, texts: ['_RUMPRUN_ROOTFSCFG='] },
    'rumprun',
    undefined,
    /no support/,
  ],
  [
    'a Hermit application',
    { notes: [note('GNU', 1, words(6, 0, 10, 2)), note('HERMIT', 0x5a00, Uint8Array.of(4))] },
    'hermit',
    '0.10.2',
    /loader as its kernel/,
  ],
  [
    'a program for GNU/Linux',
    { notes: [pvhNote, note('GNU', 1, words(0, 3, 2, 0))] },
    'raw',
    undefined,
    undefined,
  ],
  [
    'the Hermit loader',
    { bits: 32, multiboot: true, texts: ['Hermit Loader version '] },
    'hermit',
    undefined,
    /application/,
  ],
  [
    'OSv',
    { notes: [pvhNote, note('Xen', 6, Buffer.from('osv\0'))], texts: ['OSv v0.57.0\n'] },
    'osv',
    '0.57.0',
    undefined,
  ],
  ['a Nanos kernel', { notes: [pvhNote], texts: ['NVMTFS'] }, 'nanos', undefined, /disk image that ops made/],
  ['Mewz', { bits: 32, multiboot: true, texts: ['bspEarlyInit'] }, 'mewz', undefined, undefined],
  [
    'Linux',
    { notes: [pvhNote], texts: ['Linux version 6.1.0-18-amd64 (builder)'] },
    'linux',
    '6.1.0-18-amd64',
    undefined,
  ],
  ['a 64-bit multiboot kernel', { multiboot: true }, 'raw', undefined, /objcopy/],
  ['another processor', { machine: 183, notes: [pvhNote] }, 'raw', undefined, /arm64/],
  ['nothing to boot by', {}, 'raw', undefined, /QEMU cannot boot it/],
];

t.test('identifyFile() tells ELF kernels apart', async (t) => {
  for (const [name, parts, guest, version, needs] of elfCases) {
    const found = identifyFile(readerOf(elfFile(parts)));
    t.match(found, { kind: 'kernel', guest }, name);
    t.equal(found.kind === 'kernel' && found.version, version, name);
    if (needs === undefined) t.equal(found.needs, undefined, name);
    else t.match(found.needs, needs, name);
  }
});

t.test('identifyFile() says what it found', async (t) => {
  const says = (parts: ElfParts) => identifyFile(readerOf(elfFile(parts))).description;
  t.equal(
    says({ bits: 32, multiboot: true, sections: { '.uk_libinfo': info } }),
    'Unikraft unikernel 0.17.0, 32-bit ELF file with a multiboot header',
  );
  t.equal(says({ notes: [pvhNote] }), 'Kernel of no known system, 64-bit ELF file with a PVH note');
  t.equal(says({}), '64-bit ELF file without a PVH note or multiboot header');
});

t.test('identifyFile() knows the probe guest for what it is', async (t) => {
  t.match(identifyFile(readerOf(probeGuestElf())), {
    kind: 'kernel',
    guest: 'raw',
    format: { kind: 'pvh-elf' },
    needs: undefined,
  });
});

function bzImage(version: string): Buffer {
  const file = Buffer.alloc(2048);
  file.set([0x55, 0xaa], 0x1fe);
  file.write('HdrS', 0x202, 'latin1');
  file.writeUInt16LE(0x300, 0x20e);
  file.write(`${version} (builder) #1 SMP\0`, 0x500, 'latin1');
  return file;
}

t.test('identifyFile() tells a bzImage with its version', async (t) => {
  t.match(identifyFile(readerOf(bzImage('6.1.0-18-amd64'))), {
    kind: 'kernel',
    guest: 'linux',
    version: '6.1.0-18-amd64',
    format: { kind: 'bzimage' },
    needs: undefined,
    description: 'Linux kernel 6.1.0-18-amd64, bzImage',
  });
  const osv = Buffer.concat([bzImage(''), Buffer.from('OSv v0.56.0\n')]);
  t.match(identifyFile(readerOf(osv)), { guest: 'osv', version: '0.56.0' });
});

/** A disk with three partitions, the last of which begins with `content`. */
function disk(content: string, hasEfi: boolean): Buffer {
  const file = Buffer.alloc(8 * 512);
  for (const index of [0, 1, 2]) file.writeUInt32LE(2 * index + 1, 446 + 16 * index + 8);
  file[446 + 4] = hasEfi ? 0xef : 0x83;
  file.set([0x55, 0xaa], 510);
  file.write(content, (hasEfi ? 5 : 3) * 512, 'latin1');
  return file;
}

t.test('identifyFile() tells disks apart', async (t) => {
  for (const hasEfi of [true, false])
    t.match(identifyFile(readerOf(disk('NVMTFS', hasEfi))), {
      kind: 'disk',
      guest: 'nanos',
      format: 'raw',
      needs: undefined,
    });
  t.match(identifyFile(readerOf(disk('NVMTF', true))), {
    kind: 'disk',
    guest: undefined,
    format: 'raw',
    needs: /say it with/,
  });
  const qcow2 = Buffer.alloc(512);
  qcow2.write('QFI\xfb\0\0\0\x03', 'latin1');
  t.match(identifyFile(readerOf(qcow2)), {
    kind: 'disk',
    format: 'qcow2',
    guest: undefined,
    description: 'qcow2 disk image, version 3',
  });
});

function tar(...names: readonly string[]): Buffer {
  const entries = names.map((name) => {
    const header = Buffer.alloc(512);
    header.write(name, 0, 'latin1');
    header.write('00000000004', 124, 'latin1');
    header.write('0', 156, 'latin1');
    header.write('ustar', 257, 'latin1');
    return Buffer.concat([header, Buffer.alloc(512)]);
  });
  return Buffer.concat([...entries, Buffer.alloc(1024)]);
}

t.test('identifyFile() tells archives and other files', async (t) => {
  const kindOf = (bytes: Buffer) => identifyFile(readerOf(bytes));
  t.match(kindOf(tar('blobs/sha256/x', './oci-layout')), { kind: 'oci-archive', needs: undefined });
  t.match(kindOf(tar('layer.tar', 'manifest.json')), { kind: 'other', needs: /docker-archive:/ });
  t.match(kindOf(tar('README')), { kind: 'other', needs: /no image/ });
  t.match(kindOf(Buffer.from('\x1f\x8bxx', 'latin1')), { kind: 'other', needs: /initrd/ });
  t.match(kindOf(Buffer.from('NVMTFS\x05')), { kind: 'other', description: 'Nanos volume' });
  t.match(kindOf(Buffer.alloc(0)), { kind: 'other', description: 'empty file' });
  t.match(kindOf(Buffer.from('#!/bin/sh\n')), { kind: 'other', description: 'file of no known kind' });
});

t.test('identifyFile() survives any file', async (t) => {
  const random = new Random(1);
  const whole = [
    elfFile({ notes: [pvhNote, solo5(3), recipe], sections: { '.uk_libinfo': info }, texts: ['OSv v1.0.0'] }),
    elfFile({ bits: 32, multiboot: true, notes: [solo5(1)], sections: { '.uk_libinfo': info } }),
    bzImage('6.1.0'),
    disk('NVMTFS', true),
    tar('a', 'oci-layout'),
  ];
  for (const bytes of whole) {
    for (let length = 0; length < bytes.length; length += 7)
      if (identifyFile(readerOf(bytes.subarray(0, length))) === undefined) t.fail('nothing was said');
    for (let round = 0; round < 400; round++) {
      const broken = Buffer.from(bytes);
      for (let change = 0; change < 4; change++) broken[random.below(broken.length)] = random.below(256);
      if (identifyFile(readerOf(broken)) === undefined) t.fail('nothing was said');
    }
  }
});
