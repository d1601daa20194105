import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { DiskPatch } from '../../src/unikernel/disk-patch.ts';
import { readQcow2Header } from '../../src/unikernel/qcow2-header.ts';
import { overlayFileOffset, planQcow2Overlay, type Qcow2Overlay } from '../../src/unikernel/qcow2-overlay.ts';
import { Random } from './support/random.ts';

const hasTools =
  spawnSync('qemu-img', ['--version']).status === 0 && spawnSync('qemu-io', ['--version']).status === 0;
const withTools = { skip: hasTools ? false : 'qemu-img and qemu-io are not installed' };
const mebibyte = 1024 * 1024;

function writeOverlay(path: string, overlay: Qcow2Overlay): void {
  const file = openSync(path, 'w');
  ftruncateSync(file, overlay.sizeBytes);
  for (const { fileOffset, bytes } of overlay.chunks) writeSync(file, bytes, 0, bytes.length, fileOffset);
  closeSync(file);
}

/** A base file, an overlay on it, and the same bytes in a plain file. */
function makeOverlay(folder: string, base: Buffer, patches: readonly DiskPatch[], virtualSizeBytes: number) {
  const backingPath = join(folder, 'base.raw');
  writeFileSync(backingPath, base);
  const expected = Buffer.alloc(virtualSizeBytes);
  base.copy(expected);
  for (const { offset, bytes } of patches) expected.set(bytes, offset);
  writeFileSync(join(folder, 'expected.raw'), expected);
  const overlay = planQcow2Overlay({
    virtualSizeBytes,
    backingPath,
    backingFormat: 'raw',
    patches,
    readBase: (offset, length) => base.subarray(offset, offset + length),
  });
  const path = join(folder, 'overlay.qcow2');
  writeOverlay(path, overlay);
  return { overlay, path, expected };
}

function qemuImg(...args: readonly string[]): string {
  return execFileSync('qemu-img', args, { encoding: 'utf8' });
}

const random = new Random(7);
const base = Buffer.from(random.bytes(3 * mebibyte + 512));

const cases: readonly {
  readonly name: string;
  readonly patches: readonly DiskPatch[];
  readonly grow?: number;
}[] = [
  { name: 'nothing changed', patches: [] },
  { name: 'a few bytes', patches: [{ offset: 70_000, bytes: Buffer.from('patched') }] },
  { name: 'bytes across clusters', patches: [{ offset: 65_530, bytes: random.bytes(200_000) }] },
  { name: 'the last sector', patches: [{ offset: base.length - 512, bytes: random.bytes(512) }] },
  {
    name: 'overlapping patches, the later one on top',
    patches: [
      { offset: 1000, bytes: Buffer.alloc(100, 'a') },
      { offset: 1050, bytes: Buffer.alloc(100, 'b') },
    ],
  },
  {
    name: 'a larger disk',
    patches: [{ offset: base.length + 1000, bytes: Buffer.from('new') }],
    grow: 2 * mebibyte,
  },
];

for (const { name, patches, grow = 0 } of cases) {
  t.test(`planQcow2Overlay() makes a file that QEMU takes: ${name}`, withTools, async (t) => {
    const { path } = makeOverlay(t.testdir(), base, patches, base.length + grow);
    t.match(qemuImg('check', path), 'No errors were found');
    const expected = path.replace('overlay.qcow2', 'expected.raw');
    t.match(qemuImg('compare', '-f', 'qcow2', '-F', 'raw', path, expected), 'Images are identical');
  });
}

t.test('planQcow2Overlay() leaves untouched clusters to the file below', withTools, async (t) => {
  const { overlay } = makeOverlay(t.testdir(), base, [{ offset: 0, bytes: Buffer.of(1) }], base.length);
  t.equal(overlay.sizeBytes, 6 * 65_536);
  t.equal(overlay.dataOffsets.size, 1);
});

t.test(
  'overlayFileOffset() finds patched bytes, also after the guest has written them',
  withTools,
  async (t) => {
    const patches = [
      { offset: 131_000, bytes: Buffer.from('first') },
      { offset: 2_000_000, bytes: Buffer.from('second') },
    ];
    const { overlay, path } = makeOverlay(t.testdir(), base, patches, base.length);
    const at = overlayFileOffset(overlay, 2_000_000) ?? 0;
    t.equal(readFileSync(path).toString('latin1', at, at + 6), 'second');
    t.equal(overlayFileOffset(overlay, 1_000_000), undefined);
    const { size } = statSync(path);
    execFileSync('qemu-io', [
      '-f',
      'qcow2',
      '-c',
      'write -P 0x61 1999872 512',
      '-c',
      'write -P 0x62 130560 512',
      path,
    ]);
    t.equal(readFileSync(path).toString('latin1', at, at + 6), 'aaaaaa');
    t.equal(statSync(path).size, size, 'the guest wrote in place');
    t.match(qemuImg('check', path), 'No errors were found');
  },
);

t.test('planQcow2Overlay() takes disks of up to 16 TiB', withTools, async (t) => {
  for (const virtualSizeBytes of [512, 512 * mebibyte, 512 * mebibyte + 512, 3 * 1024 ** 4, 16 * 1024 ** 4]) {
    const folder = t.testdir();
    const backingPath = join(folder, 'base.raw');
    writeFileSync(backingPath, '');
    truncateSync(backingPath, Math.min(virtualSizeBytes, 8 * 1024 ** 4));
    const patches = [0, virtualSizeBytes - 512].map((offset) => ({ offset, bytes: Buffer.alloc(512, 'p') }));
    const overlay = planQcow2Overlay({
      virtualSizeBytes,
      backingPath,
      backingFormat: 'raw',
      patches,
      readBase: () => new Uint8Array(),
    });
    const path = join(folder, 'overlay.qcow2');
    writeOverlay(path, overlay);
    t.ok(overlay.sizeBytes < mebibyte, `${overlay.sizeBytes} bytes`);
    t.match(qemuImg('check', path), 'No errors were found');
    const info = JSON.parse(qemuImg('info', '--output=json', path)) as Record<string, unknown>;
    t.match(info, {
      'virtual-size': virtualSizeBytes,
      'backing-filename': backingPath,
      'backing-filename-format': 'raw',
    });
    const read = `read -P 0x70 ${virtualSizeBytes - 512} 512`;
    t.notMatch(
      execFileSync('qemu-io', ['-r', '-f', 'qcow2', '-c', read, path], { encoding: 'utf8' }),
      /failed/,
    );
  }
});

t.test(
  'planQcow2Overlay() takes many patches far from each other, but not any number',
  withTools,
  async (t) => {
    const far = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ offset: index * 1024 * mebibyte, bytes: Buffer.of(1) }));
    const path = join(t.testdir({ 'base.raw': '' }), 'overlay.qcow2');
    const request = (count: number) => ({
      virtualSizeBytes: 2 * 1024 ** 4,
      backingPath: join(path, '..', 'base.raw'),
      backingFormat: 'raw' as const,
      patches: far(count),
      readBase: () => new Uint8Array(),
    });
    writeOverlay(path, planQcow2Overlay(request(300)));
    t.match(qemuImg('check', path), 'No errors were found');
    t.throws(() => planQcow2Overlay(request(1025)), /too many/);
  },
);

t.test('planQcow2Overlay() refuses sizes that a disk cannot have', async (t) => {
  const request = {
    backingPath: '/base',
    backingFormat: 'raw',
    patches: [],
    readBase: () => new Uint8Array(),
  } as const;
  for (const virtualSizeBytes of [0, -512, 1000, 512.5, Number.NaN, 16 * 1024 ** 4 + 512]) {
    t.throws(() => planQcow2Overlay({ ...request, virtualSizeBytes }), { code: 'IMAGE_INVALID' });
  }
  const patches = [{ offset: 1000, bytes: new Uint8Array(100) }];
  t.throws(() => planQcow2Overlay({ ...request, virtualSizeBytes: 1024, patches }), /outside a disk/);
  t.throws(
    () => planQcow2Overlay({ ...request, virtualSizeBytes: 1024, backingPath: 'nbd:x' }),
    /backing file/,
  );
});

function headerOf(path: string) {
  const file = readFileSync(path);
  return readQcow2Header({
    sizeBytes: file.length,
    read: (offset, length) => file.subarray(offset, offset + length),
  });
}

t.test('readQcow2Header() reads what qemu-img made', withTools, async (t) => {
  const folder = t.testdir({ 'base.raw': 'x'.repeat(1024) });
  const file = (name: string) => join(folder, name);
  const plain = {
    version: 3,
    virtualSizeBytes: mebibyte,
    hasBackingFile: false,
    hasDataFile: false,
    isEncrypted: false,
  };
  qemuImg('create', '-q', '-f', 'qcow2', file('plain'), '1M');
  t.strictSame(headerOf(file('plain')), plain);
  qemuImg('create', '-q', '-f', 'qcow2', '-o', 'compat=0.10', file('old'), '1M');
  t.strictSame(headerOf(file('old')), { ...plain, version: 2 });
  qemuImg('create', '-q', '-f', 'qcow2', '-b', file('base.raw'), '-F', 'raw', file('backed'), '1M');
  t.strictSame(headerOf(file('backed')), { ...plain, hasBackingFile: true });
  qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${file('data')}`, file('split'), '1M');
  t.strictSame(headerOf(file('split')), { ...plain, hasDataFile: true });
  // With a method of encryption, as qemu-img would set it; making such a file takes seconds.
  const secret = readFileSync(file('plain'));
  secret.writeUInt32BE(2, 32);
  writeFileSync(file('secret'), secret);
  t.strictSame(headerOf(file('secret')), { ...plain, isEncrypted: true });
});

t.test('readQcow2Header() reads what planQcow2Overlay() made', withTools, async (t) => {
  const { path } = makeOverlay(t.testdir(), base, [], base.length);
  t.match(headerOf(path), { version: 3, virtualSizeBytes: base.length, hasBackingFile: true });
});

t.test(
  'readQcow2Header() refuses what is cut off, unknown or too large, and knows other files',
  async (t) => {
    const read = (bytes: Uint8Array) => readQcow2Header({ sizeBytes: bytes.length, read: () => bytes });
    const header = Buffer.alloc(104);
    header.write('QFI\xfb', 'latin1');
    const versioned = (version: number, size = 0n) => {
      const bytes = Buffer.from(header);
      bytes.writeUInt32BE(version, 4);
      bytes.writeBigUInt64BE(size, 24);
      return bytes;
    };
    t.equal(read(Buffer.alloc(200)), undefined);
    t.equal(read(Buffer.alloc(2)), undefined);
    for (const bytes of [
      header.subarray(0, 50),
      versioned(1),
      versioned(4),
      versioned(3).subarray(0, 80),
      versioned(3, 1n << 60n),
    ])
      t.throws(() => read(bytes), { code: 'IMAGE_INVALID' });
  },
);
