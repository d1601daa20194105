import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkQcow2Volume, planOverlay, writeOverlay } from '../../src/host/disk-image.ts';
import { encodeQcow2Header } from '../../src/unikernel/qcow2-header.ts';
import { diskFormatOf } from '../../src/unikernel/volumes.ts';
import { Random } from '../unikernel/support/random.ts';

const MiB = 1024 * 1024;
const isQemuImgHere = spawnSync('qemu-img', ['--version']).status === 0;
const needsQemuImg = { skip: !isQemuImgHere && 'qemu-img is not installed' };
const qemuImg = (...args: readonly string[]) => execFileSync('qemu-img', args, { encoding: 'utf8' });

/** A disk image with bytes that tell where they are from. */
function makeRaw(path: string, sizeBytes: number): Uint8Array {
  const bytes = new Random(sizeBytes).bytes(sizeBytes);
  writeFileSync(path, bytes);
  return bytes;
}

/** What a qcow2 file without a backing file has in its first bytes, with fields as they are to be tested. */
function qcow2Header(change: (header: Buffer) => void): Buffer {
  const header = Buffer.from(
    encodeQcow2Header({
      virtualSizeBytes: MiB,
      clusterBits: 16,
      l1Offset: 3 << 16,
      l1Entries: 1,
      refcountTableOffset: 1 << 16,
      refcountTableClusters: 1,
      backingPath: '/b',
      backingFormat: 'raw',
    }),
  );
  header.writeBigUInt64BE(0n, 8);
  header.writeUInt32BE(0, 16);
  change(header);
  return header;
}

t.test('planOverlay() takes the size and the format of the image', async (t) => {
  const folder = t.testdir();
  const sizes: readonly [bytes: number, virtual: number][] = [
    [1, 512],
    [512, 512],
    [513, 1024],
    [3 * MiB + 7, 3 * MiB + 512],
  ];
  for (const [bytes, virtual] of sizes) {
    const image = join(folder, 'disk.img');
    writeFileSync(image, '');
    truncateSync(image, bytes);
    const { chunks } = planOverlay({
      image,
      format: diskFormatOf(image) ?? 'raw',
      backingPath: '/unikernel/base0',
      patches: [],
    });
    const header = Buffer.from(chunks[0]?.bytes ?? []);
    t.equal(Number(header.readBigUInt64BE(24)), virtual, `${bytes} bytes`);
    t.match(header.toString('latin1'), 'raw');
    t.match(header.toString('latin1'), '/unikernel/base0');
  }
  const image = join(folder, 'disk.qcow2');
  writeFileSync(
    image,
    qcow2Header(() => {}),
  );
  const header = Buffer.from(
    planOverlay({ image, format: diskFormatOf(image) ?? 'raw', backingPath: '/b', patches: [] }).chunks[0]
      ?.bytes ?? [],
  );
  t.equal(Number(header.readBigUInt64BE(24)), MiB, "the disk's size, not the file's");
  t.match(header.toString('latin1'), 'qcow2');
});

t.test('planOverlay() refuses an image that is not what its name says', async (t) => {
  const folder = t.testdir();
  const qcow2 = qcow2Header(() => {});
  const cases: readonly [name: string, content: Uint8Array, problem: string, hint: string | undefined][] = [
    ...['a.img', 'a.raw', 'a', 'qcow2', 'a.qcow2.img'].map((name): [string, Buffer, string, string] => [
      name,
      qcow2,
      'is a qcow2 image, which its name does not say',
      'let its name end in .qcow2',
    ]),
    ['b.qcow2', Buffer.alloc(MiB), 'is not the qcow2 image that its name says', undefined],
    ['c.qcow2', Buffer.from('QFI\xfa', 'latin1'), 'is not the qcow2 image that its name says', undefined],
    ['d.qcow2', Buffer.alloc(0), 'is not the qcow2 image that its name says', undefined],
    ['e.img', Buffer.alloc(0), 'is empty', undefined],
  ];
  for (const [name, content, problem, hint] of cases) {
    const image = join(folder, name);
    writeFileSync(image, content);
    t.throws(
      () => planOverlay({ image, format: diskFormatOf(image) ?? 'raw', backingPath: '/b', patches: [] }),
      {
        code: 'IMAGE_INVALID',
        message: `disk "${image}" ${problem}`,
        ...(hint === undefined ? {} : { hint }),
      },
      name,
    );
  }
});

t.test('planOverlay() refuses an image that refers to other files, or cannot be read', async (t) => {
  const folder = t.testdir();
  const image = join(folder, 'a.qcow2');
  const part = `disk "${image}" is only a part of an image: it refers to another file`;
  const cases: readonly [what: string, header: Buffer, message: string][] = [
    ['backing file', qcow2Header((header) => header.writeBigUInt64BE(128n, 8)), part],
    [
      'backing file whose name has no length',
      qcow2Header((header) => {
        header.writeBigUInt64BE(128n, 8);
        header.writeUInt32BE(0, 16);
      }),
      part,
    ],
    ['data file', qcow2Header((header) => header.writeBigUInt64BE(4n, 72)), part],
    ['encrypted', qcow2Header((header) => header.writeUInt32BE(2, 32)), `disk "${image}" is encrypted`],
  ];
  for (const [what, header, message] of cases) {
    writeFileSync(image, header);
    t.throws(
      () => planOverlay({ image, format: diskFormatOf(image) ?? 'raw', backingPath: '/b', patches: [] }),
      { code: 'IMAGE_INVALID', message, hint: /qemu-img convert/ },
      what,
    );
  }
  const damaged: readonly [what: string, header: Buffer][] = [
    ['cut off', qcow2Header(() => {}).subarray(0, 50)],
    ['version', qcow2Header((header) => header.writeUInt32BE(4, 4))],
    ['size', qcow2Header((header) => header.writeBigUInt64BE(2n ** 60n, 24))],
    ['no size', qcow2Header((header) => header.writeBigUInt64BE(0n, 24))],
    ['half a sector', qcow2Header((header) => header.writeBigUInt64BE(700n, 24))],
  ];
  for (const [what, header] of damaged) {
    writeFileSync(image, header);
    t.throws(
      () => planOverlay({ image, format: diskFormatOf(image) ?? 'raw', backingPath: '/b', patches: [] }),
      { code: 'IMAGE_INVALID' },
      what,
    );
  }
});

t.test('checkQcow2Volume() takes an image that is whole', async (t) => {
  const path = join(t.testdir(), 'a.qcow2');
  const cases: readonly [content: Uint8Array, problem: string | undefined][] = [
    [qcow2Header(() => {}), undefined],
    [Buffer.alloc(MiB), 'is not the qcow2 image that its name says'],
    [Buffer.alloc(0), 'is not the qcow2 image that its name says'],
    [
      qcow2Header((header) => header.writeBigUInt64BE(128n, 8)),
      'is only a part of an image: it refers to another file',
    ],
    [
      qcow2Header((header) => header.writeBigUInt64BE(4n, 72)),
      'is only a part of an image: it refers to another file',
    ],
    [qcow2Header((header) => header.writeUInt32BE(2, 32)), 'is encrypted'],
  ];
  for (const [content, problem] of cases) {
    writeFileSync(path, content);
    if (problem === undefined) t.doesNotThrow(() => checkQcow2Volume(path));
    else
      t.throws(
        () => checkQcow2Volume(path),
        { code: 'IMAGE_INVALID', message: `disk "${path}" ${problem}` },
        problem,
      );
  }
});

t.test('planOverlay() patches raw images only', async (t) => {
  const image = join(t.testdir(), 'a.qcow2');
  writeFileSync(
    image,
    qcow2Header(() => {}),
  );
  const patches = [{ offset: 0, bytes: Uint8Array.of(1) }];
  t.throws(() => planOverlay({ image, format: diskFormatOf(image) ?? 'raw', backingPath: '/b', patches }), {
    code: 'IMAGE_INVALID',
    message: `disk "${image}" is a qcow2 image, in which nothing can be changed`,
    hint: 'make a raw image of it with "qemu-img convert -O raw"',
  });
});

t.test('planOverlay() refuses what qemu-img makes over another file', needsQemuImg, async (t) => {
  const folder = t.testdir();
  makeRaw(join(folder, 'base.img'), MiB);
  const image = join(folder, 'over.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.img', '-F', 'raw', image);
  t.throws(
    () => planOverlay({ image, format: diskFormatOf(image) ?? 'raw', backingPath: '/b', patches: [] }),
    {
      code: 'IMAGE_INVALID',
      message: /^disk ".*" is only a part of an image/,
    },
  );
  const external = join(folder, 'external.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${folder}/data`, external, '1M');
  t.throws(() => planOverlay({ image: external, format: 'qcow2', backingPath: '/b', patches: [] }), {
    message: /^disk ".*" is only a part of an image/,
  });
});

t.test('writeOverlay() makes a file for its owner only, over what was there', async (t) => {
  const folder = t.testdir({ 'disk0.qcow2': 'x'.repeat(2 * MiB) });
  const image = join(folder, 'disk.img');
  makeRaw(image, MiB);
  const plan = planOverlay({ image, format: diskFormatOf(image) ?? 'raw', backingPath: '/b', patches: [] });
  const path = join(folder, 'disk0.qcow2');
  const owner = process.getuid?.() === 0 ? 1879048192 : (process.getuid?.() ?? 0);
  writeOverlay(path, plan, owner);
  const { mode, uid, size } = statSync(path);
  t.strictSame([mode & 0o7777, uid, size], [0o600, owner, plan.sizeBytes]);
  const written = readFileSync(path);
  for (const { fileOffset, bytes } of plan.chunks)
    t.ok(written.subarray(fileOffset, fileOffset + bytes.length).equals(bytes), `bytes at ${fileOffset}`);
  t.equal(readFileSync(image).length, MiB, 'the image stays as it is');
});

t.test('writeOverlay() on a full disk is an error', async (t) => {
  const folder = t.testdir();
  const image = join(folder, 'disk.img');
  makeRaw(image, MiB);
  const source = join(import.meta.dirname, '../../src/host/disk-image.ts');
  const script = `
    process.on('SIGXFSZ', () => {});
    const { planOverlay, writeOverlay } = await import(${JSON.stringify(source)});
    const plan = planOverlay({ image: ${JSON.stringify(image)}, format: 'raw', backingPath: '/b', patches: [] });
    try {
      writeOverlay(${JSON.stringify(join(folder, 'o.qcow2'))}, plan, ${process.getuid?.()});
      console.log('written');
    } catch (error) {
      console.log(error.code);
    }`;
  const stdout = execFileSync(
    'sh',
    ['-c', 'ulimit -f 200; exec "$0" --input-type=module -e "$1"', process.execPath, script],
    { encoding: 'utf8' },
  );
  t.equal(stdout, 'EFBIG\n');
});

t.test('an overlay is an image to QEMU: the one below with the patches', needsQemuImg, async (t) => {
  const folder = t.testdir();
  const raw = join(folder, 'disk.img');
  const size = 3 * MiB + 512;
  const bytes = makeRaw(raw, size);
  const qcow2 = join(folder, 'disk.qcow2');
  qemuImg('convert', '-q', '-f', 'raw', '-O', 'qcow2', raw, qcow2);
  const random = new Random(5);
  const patches = [
    { offset: 0, bytes: random.bytes(3) },
    { offset: 65_530, bytes: random.bytes(70_000) },
    { offset: size - 10, bytes: random.bytes(10) },
  ];
  const expected = Buffer.from(bytes);
  for (const { offset, bytes: part } of patches) expected.set(part, offset);
  const owner = process.getuid?.() ?? 0;
  for (const [image, list] of [
    [raw, patches],
    [raw, []],
    [qcow2, []],
  ] as const) {
    const overlay = join(folder, 'overlay.qcow2');
    writeOverlay(
      overlay,
      planOverlay({ image, format: diskFormatOf(image) ?? 'raw', backingPath: image, patches: list }),
      owner,
    );
    t.match(qemuImg('check', '-f', 'qcow2', overlay), 'No errors were found', `${image}, ${list.length}`);
    t.match(JSON.parse(qemuImg('info', '--output=json', overlay)), {
      format: 'qcow2',
      'virtual-size': size,
      'backing-filename': image,
      'backing-filename-format': image === raw ? 'raw' : 'qcow2',
    });
    qemuImg('convert', '-f', 'qcow2', '-O', 'raw', overlay, join(folder, 'read.img'));
    t.ok(readFileSync(join(folder, 'read.img')).equals(list.length === 0 ? bytes : expected), 'its bytes');
  }
  t.ok(readFileSync(raw).equals(bytes), 'the image is as it was');
});
