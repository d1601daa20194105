import t from 'tap';
import { readNanosImage } from '../../../src/unikernel/nanos/image.ts';
import { isNanosImage, isNanosVolume, readNanosDisk } from '../../../src/unikernel/nanos/partitions.ts';
import { readVolumeIdentity } from '../../../src/unikernel/nanos/tfs-log.ts';
import {
  type DiskOptions,
  type ManifestValue,
  nanosDisk,
  nanosVolume,
  RawFile,
  reader,
} from '../support/nanos-image.ts';
import { manifestOf } from '../support/nanos-manifest.ts';

const root = {
  program: '/bin/app',
  arguments: ['/bin/app', 'one', 'two words', 'ünï'],
  environment: { HOME: '/root', LONG: 'x'.repeat(5000), ключ: 'значение' },
  children: {
    bin: { children: { app: new RawFile(Buffer.from('program')) } },
    etc: { children: { empty: new RawFile(new Uint8Array()) } },
    ...Object.fromEntries(
      Array.from({ length: 200 }, (_, index) => [`file${index}`, new RawFile(Buffer.of(index))]),
    ),
  },
};

const variants: readonly { readonly name: string; readonly options: Omit<DiskOptions, 'root'> }[] = [
  { name: 'version 5', options: { version: 5 } },
  { name: 'version 4', options: { version: 4 } },
  { name: 'version 5, EFI partition', options: { version: 5, hasEfi: true } },
  { name: 'version 5, many segments', options: { version: 5, segmentSectors: 4 } },
  {
    name: 'version 4, many segments and records',
    options: { version: 4, segmentSectors: 3, pieceBytes: 90 },
  },
];

for (const { name, options } of variants) {
  t.test(`readNanosImage() reads the manifest of an image: ${name}`, async (t) => {
    const disk = nanosDisk({ ...options, root });
    const image = readNanosImage(reader(disk));
    const manifest = manifestOf(image.log.root);
    t.equal(manifest.program, '/bin/app');
    t.strictSame(Object.values(manifest.arguments as object), root.arguments);
    t.strictSame(manifest.environment, root.environment);
    t.equal(Object.keys(manifest.children as object).length, 202);
    t.equal(image.log.last.version, options.version);
    t.equal(image.klogOffset, 24 * 512 - 4096);
    t.ok(isNanosImage(reader(disk)));
    t.notOk(isNanosVolume(reader(disk)));
  });
}

t.test('readNanosImage() takes later records in place of earlier ones', async (t) => {
  const updates = [{ environment: { NEW: '1' } }, { program: '/bin/other' }, { arguments: ['only'] }];
  const disk = nanosDisk({ version: 5, root, updates, segmentSectors: 8 });
  const manifest = manifestOf(readNanosImage(reader(disk)).log.root);
  t.equal(manifest.program, '/bin/other');
  t.strictSame(manifest.environment, { NEW: '1' });
  t.strictSame(manifest.arguments, ['only']);
});

t.test('readVolumeIdentity() reads what mounts can name a volume by', async (t) => {
  const volume = reader(nanosVolume({ version: 5, root: { children: {} }, label: 'data' }));
  t.ok(isNanosVolume(volume));
  t.notOk(isNanosImage(volume));
  t.strictSame(readVolumeIdentity(volume), { uuid: '00112233-4455-6677-8899-aabbccddeeff', label: 'data' });
});

t.test('isNanosImage() is false for other disks', async (t) => {
  const mbr = Buffer.alloc(4096);
  mbr.set([0x55, 0xaa], 510);
  for (const disk of [Buffer.alloc(0), Buffer.alloc(511), Buffer.alloc(4096), mbr]) {
    t.notOk(isNanosImage(reader(disk)));
    t.notOk(isNanosVolume(reader(disk)));
  }
});

const good = nanosDisk({ version: 5, root, segmentSectors: 8 });
const rootAt = readNanosDisk(reader(good)).root.offset;

function broken(change: (disk: Buffer) => void): Buffer {
  const disk = Buffer.from(good);
  change(disk);
  return disk;
}

/** The log's second segment, after the header of the first with its uuid and empty label. */
const linkAt = rootAt + 6 + 2 + 17;
const secondAt = rootAt + 512;

const cases: readonly { readonly name: string; readonly disk: Buffer; readonly message: RegExp }[] = [
  { name: 'no partition table', disk: Buffer.alloc(4096), message: /no partition table/ },
  { name: 'a cut-off disk', disk: good.subarray(0, rootAt + 1000), message: /past the end of the disk/ },
  {
    name: 'a root partition past the end',
    disk: good.subarray(0, rootAt),
    message: /overlap or are cut off/,
  },
  { name: 'another version', disk: broken((d) => d.writeUInt8(6, rootAt + 6)), message: /version 6/ },
  { name: 'a link to itself', disk: broken((d) => d.set([5, 0, 1], linkAt)), message: /segment twice/ },
  {
    name: 'a link to nowhere',
    disk: broken((d) => d.set([5, 0xff, 0x7f, 1], linkAt)),
    message: /end of the disk/,
  },
  { name: 'an empty segment', disk: broken((d) => d.set([5, 1, 0], linkAt)), message: /empty segment/ },
  {
    name: 'a link with a number without end',
    disk: broken((d) => d.set([5, ...Array(12).fill(0xff)], linkAt)),
    message: /out of range/,
  },
  {
    name: 'an unknown record',
    disk: broken((d) => d.writeUInt8(9, secondAt + 8)),
    message: /unknown type 9/,
  },
  { name: 'no root', disk: broken((d) => d.writeUInt8(1, linkAt)), message: /no root tuple/ },
  { name: 'a segment without magic', disk: broken((d) => d.writeUInt8(0, secondAt)), message: /magic/ },
];

for (const { name, disk, message } of cases) {
  t.test(`readNanosImage() refuses ${name}`, async (t) => {
    t.throws(() => readNanosImage(reader(disk)), { code: 'IMAGE_INVALID', message });
  });
}

t.test('readNanosImage() refuses an image with entries without end', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 700 }, (_, index) => [`n${index}`, '']));
  const updates = Array.from({ length: 1001 }, () => many);
  const disk = nanosDisk({ version: 5, root: {}, updates });
  t.throws(() => readNanosImage(reader(disk)), {
    code: 'IMAGE_INVALID',
    message: /more than 700000 entries/,
  });
});

t.test('readNanosImage() refuses tuples that are nested too deep', async (t) => {
  let tuple: Record<string, ManifestValue> = {};
  for (let depth = 0; depth < 600; depth++) tuple = { a: tuple };
  const disk = nanosDisk({ version: 5, root: tuple });
  t.throws(() => readNanosImage(reader(disk)), { code: 'IMAGE_INVALID', message: /nested too deep/ });
});
