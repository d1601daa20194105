import t from 'tap';
import { findBootFile, readBootFile } from '../../../src/unikernel/nanos/boot-file.ts';
import { readNanosDisk } from '../../../src/unikernel/nanos/partitions.ts';
import { nanosDisk, nanosVolume, RawFile, reader } from '../support/nanos-image.ts';
import { Random } from '../support/random.ts';

const kernel = new Random(1).bytes(5000);
const root = { children: {} };

/** A disk whose boot file system is this one. */
function diskWithBoot(boot: Buffer): Buffer {
  const disk = nanosDisk({ version: 5, root });
  boot.copy(disk, readNanosDisk(reader(disk)).boot.offset);
  return disk;
}

for (const version of [4, 5] as const) {
  t.test(`readBootFile() gives the kernel of an image of version ${version}`, async (t) => {
    const disk = reader(nanosDisk({ version, root, kernel, hasEfi: version === 5 }));
    const file = findBootFile(disk, readNanosDisk(disk), 'kernel');
    t.equal(file.sizeBytes, 5000);
    t.strictSame(
      file.extents.map(({ fileOffset, sizeBytes }) => [fileOffset, sizeBytes]),
      [[0, 5000]],
    );
    t.equal(Buffer.compare(readBootFile(disk, file), kernel), 0);
  });
}

t.test('readBootFile() puts extents in their places and zeros in between', async (t) => {
  const boot = nanosVolume({
    version: 5,
    segmentSectors: 2,
    root: {
      children: {
        first: new RawFile(Buffer.alloc(1024, 'a')),
        kernel: {
          filelength: '2060',
          extents: {
            3: { length: '1', offset: '4', allocated: '1' },
            0: { length: '1', offset: '3', allocated: '8' },
            1: { length: '1', offset: '3', allocated: '1', uninited: 't' },
            4: { length: '1', offset: '3', allocated: '1' },
          },
        },
      },
    },
  });
  const disk = reader(diskWithBoot(boot));
  const bytes = Buffer.from(readBootFile(disk, findBootFile(disk, readNanosDisk(disk), 'kernel')));
  const expected = Buffer.concat([Buffer.alloc(512, 'a'), Buffer.alloc(1024), Buffer.alloc(524, 'a')]);
  t.equal(bytes.compare(expected), 0);
});

const extent = { length: '1', offset: '3', allocated: '1' };
const cases = [
  { name: 'no such file', kernel: undefined, message: /has no file "kernel"/ },
  { name: 'a directory', kernel: { children: {} }, message: /has no file "kernel"/ },
  { name: 'a giant', kernel: { filelength: '99999999999', extents: {} }, message: /too large/ },
  { name: 'a size below zero', kernel: { filelength: -5, extents: {} }, message: /has no file "kernel"/ },
  {
    name: 'an extent outside',
    kernel: { filelength: '512', extents: { 0: { ...extent, offset: '100000' } } },
    message: /past the end of its boot partition/,
  },
  {
    name: 'an extent that is none',
    kernel: { filelength: '512', extents: { 0: 'x' } },
    message: /past the end of its boot partition/,
  },
  {
    name: 'extents that overlap',
    kernel: { filelength: '512', extents: { 0: extent, '00': extent } },
    message: /overlap/,
  },
];

for (const { name, kernel, message } of cases) {
  t.test(`findBootFile() refuses ${name}`, async (t) => {
    const children = kernel === undefined ? {} : { kernel };
    const disk = reader(diskWithBoot(nanosVolume({ version: 5, segmentSectors: 4, root: { children } })));
    t.throws(() => findBootFile(disk, readNanosDisk(disk), 'kernel'), { code: 'IMAGE_INVALID', message });
  });
}
