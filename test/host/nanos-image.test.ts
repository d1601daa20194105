import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { planNanosOverlay, readNanosKernel, readVolumeLabel } from '../../src/host/nanos-image.ts';
import { readNanosImage } from '../../src/unikernel/nanos/image.ts';
import { readNanosDisk } from '../../src/unikernel/nanos/partitions.ts';
import { probeGuestElf } from '../../src/unikernel/probe-guest.ts';
import { overlayFileOffset } from '../../src/unikernel/qcow2-overlay.ts';
import { bothFamilies, nothing } from '../unikernel/support/guest-inputs.ts';
import { type DiskOptions, nanosDisk, nanosVolume, reader } from '../unikernel/support/nanos-image.ts';

const kernel = probeGuestElf();
const root = { program: '/app', arguments: ['app'], environment: { MODE: 'image' }, children: {} };
const GiB = 1024 ** 3;
const clusterBytes = 65_536;

function write(t: Test, content: Uint8Array): string {
  const path = join(t.testdir(), 'x.img');
  writeFileSync(path, content);
  return path;
}

const image = (options: Partial<DiskOptions> = {}) => nanosDisk({ version: 5, root, kernel, ...options });

t.test('readNanosKernel() takes the kernel out of an image, and says what it is', async (t) => {
  for (const options of [{ version: 4 }, { version: 5 }, { hasEfi: true }] as const) {
    const found = readNanosKernel(write(t, image(options)));
    t.strictSame(found?.format, { kind: 'pvh-elf', bits: 32 });
    t.equal(Buffer.compare(found?.bytes ?? Buffer.alloc(0), kernel), 0);
  }
});

t.test('readNanosKernel() leaves to the boot loader what QEMU cannot start', async (t) => {
  const withoutNote = Buffer.from(kernel);
  withoutNote.fill(0, withoutNote.indexOf('Xen\0'), withoutNote.indexOf('Xen\0') + 4);
  const bzImage = Buffer.alloc(0x300);
  bzImage.set([0x55, 0xaa], 0x1fe);
  bzImage.write('HdrS', 0x202);
  for (const [what, other] of [
    ['no PVH note', withoutNote],
    ['no ELF file', Buffer.from('a kernel')],
    ['an empty file', Buffer.alloc(0)],
    ['a Linux kernel', bzImage],
  ] as const)
    t.equal(readNanosKernel(write(t, image({ kernel: other }))), undefined, what);
});

t.test('readNanosKernel() leaves to the boot loader what is no image with a kernel', async (t) => {
  const good = image();
  const { boot } = readNanosDisk(reader(good));
  const withBoot = (content: Uint8Array) => {
    const disk = Buffer.from(good);
    disk.fill(0, boot.offset, boot.offset + boot.sizeBytes);
    disk.set(content, boot.offset);
    return disk;
  };
  const volume = (children: object) =>
    nanosVolume({ version: 5, segmentSectors: 4, root: { children: { ...children } } });
  for (const [what, disk] of [
    ['no partitions', Buffer.alloc(4096)],
    ['nothing', Buffer.alloc(0)],
    ['no file system in the boot partition', withBoot(Buffer.alloc(0))],
    ['no kernel in it', withBoot(volume({}))],
    [
      'a kernel outside of it',
      withBoot(volume({ kernel: { filelength: '512', extents: { 0: { length: '1', offset: '99999' } } } })),
    ],
    ['a boot partition that is cut off', good.subarray(0, boot.offset + 100)],
  ] as const)
    t.equal(readNanosKernel(write(t, disk)), undefined, what);
});

t.test(
  'planNanosOverlay() gives the disk room, and the last words one empty place in the file',
  async (t) => {
    for (const options of [{ version: 4 }, { version: 5 }, { hasEfi: true }] as const) {
      const content = image(options);
      const base = write(t, content);
      const { overlay, klog } = planNanosOverlay([{ base }], '/unikernel/base0', {
        ...nothing,
        env: ['A=b'],
      });
      const header = Buffer.from(overlay.chunks[0]?.bytes ?? []);
      t.equal(Number(header.readBigUInt64BE(24)), content.length + GiB);
      t.match(header.toString('latin1'), '/unikernel/base0');

      const { klogOffset } = readNanosDisk(reader(content));
      t.strictSame(klog, { disk: 0, fileOffset: overlayFileOffset(overlay, klogOffset) });
      t.ok((klog.fileOffset % clusterBytes) + 4096 <= clusterBytes, 'in one cluster');
      const file = Buffer.alloc(overlay.sizeBytes);
      for (const { fileOffset, bytes } of overlay.chunks) file.set(bytes, fileOffset);
      t.ok(
        file.subarray(klog.fileOffset, klog.fileOffset + 4096).every((byte) => byte === 0),
        'zeros, though the image has none there',
      );
      t.not(file[klog.fileOffset - 1], 0, 'and what is before it is as in the image');
    }
  },
);

t.test('planNanosOverlay() holds what the guest is told', async (t) => {
  const content = image();
  const { overlay } = planNanosOverlay([{ base: write(t, content) }], '/b', {
    ...nothing,
    env: ['MODE=container'],
    network: bothFamilies,
    hostname: 'h',
  });
  const chunks = new Map(overlay.chunks.map(({ fileOffset, bytes }) => [fileOffset, bytes]));
  const size = Math.max(...overlay.dataOffsets.keys(), content.length / clusterBytes) + 1;
  const disk = Buffer.alloc(Math.ceil(size) * clusterBytes);
  content.copy(disk);
  for (const [cluster, offset] of overlay.dataOffsets)
    disk.set(chunks.get(offset) ?? [], cluster * clusterBytes);
  const { entries } = readNanosImage(reader(disk)).log.root;
  t.equal(entries.get('ipaddr'), '10.88.0.2');
  t.equal(entries.get('ip6addr'), 'fd00:88::2');
  t.match([...disk.toString('latin1').matchAll(/nameserver fd00::53/g)].length, 1);
});

t.test('planNanosOverlay() refuses a disk that is no Nanos image', async (t) => {
  for (const content of [Buffer.alloc(0), Buffer.alloc(4096), nanosVolume({ version: 5, root })])
    t.throws(() => planNanosOverlay([{ base: write(t, content) }], '/b', nothing), { code: 'IMAGE_INVALID' });
});

t.test('readVolumeLabel() is what mounts name a volume by', async (t) => {
  const volume = (label: string) => write(t, nanosVolume({ version: 5, root: { children: {} }, label }));
  t.equal(readVolumeLabel(volume('data')), 'data');
  t.equal(readVolumeLabel(volume('')), '00112233-4455-6677-8899-aabbccddeeff');
  for (const content of [Buffer.alloc(0), Buffer.alloc(4096), image(), Buffer.from('QFI\xfb', 'latin1')]) {
    const path = write(t, content);
    t.throws(() => readVolumeLabel(path), {
      code: 'VOLUME_UNSUPPORTED',
      message: `disk "${path}" is no volume that a Nanos guest can mount`,
    });
  }
});
