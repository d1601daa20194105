import t from 'tap';
import { RuntimeError } from '../../../src/base/runtime-error.ts';
import { findBootFile, readBootFile } from '../../../src/unikernel/nanos/boot-file.ts';
import { type NanosImage, readNanosImage } from '../../../src/unikernel/nanos/image.ts';
import { klogBytes } from '../../../src/unikernel/nanos/klog.ts';
import { isNanosImage, readNanosDisk } from '../../../src/unikernel/nanos/partitions.ts';
import { type NanosPatchPlan, planNanosPatches } from '../../../src/unikernel/nanos/patches.ts';
import type { NanosSettings } from '../../../src/unikernel/nanos/settings.ts';
import { childTuple } from '../../../src/unikernel/nanos/tfs-value.ts';
import { nanosDisk, RawFile, reader } from '../support/nanos-image.ts';
import { Random } from '../support/random.ts';

const images = 100_000;
const seed = 20_260;

const root = {
  program: '/app',
  arguments: ['app', 'x'],
  environment: { HOME: '/root', MODE: 'image' },
  mounts: { old: '/old' },
  en1: { mtu: '1400' },
  children: {
    etc: { children: { passwd: new RawFile(Buffer.from('root')) } },
    app: new RawFile(Buffer.alloc(700)),
  },
};

const bases = [
  nanosDisk({ version: 5, root, segmentSectors: 2, bootSectors: 12 }),
  nanosDisk({ version: 4, root, segmentSectors: 1, bootSectors: 12, hasEfi: true }),
  nanosDisk({
    version: 5,
    root,
    segmentSectors: 8,
    pieceBytes: 20,
    bootSectors: 12,
    updates: [{ environment: { A: 'b' } }],
  }),
];

const settings: NanosSettings = {
  env: ['MODE=container', 'NEW=x'],
  args: ['a', 'b'],
  cwd: '/etc',
  cards: [
    { ipv4: { address: '10.0.2.15', prefixLength: 24 }, ipv4Gateway: '10.0.2.2', ipv6: undefined, mtu: 1500 },
  ],
  mounts: [{ volume: '%0', path: '/etc/data', isReadOnly: false }],
  files: [{ path: '/etc/resolv.conf', content: Buffer.from('nameserver 10.0.2.3\n') }],
};

/** Bytes that mean something: record types, headers, and numbers that are large or go on. */
const telling = [
  0, 1, 2, 3, 4, 5, 0x7f, 0x80, 0x81, 0x90, 0x98, 0xa0, 0xb0, 0xc0, 0xff, 0x10, 0x18, 0x20, 0x28,
];

/** Mostly inside what is read: the partition table, and the logs of the two file systems. */
function place(random: Random, disk: Buffer): number {
  const { boot, root: rootPart } = readNanosDisk(reader(disk));
  const start = random.pick([
    440,
    boot.offset,
    rootPart.offset,
    rootPart.offset + 500,
    rootPart.offset + 512,
  ]);
  return Math.min(start + random.below(random.pick([40, 200, 1500])), disk.length - 1);
}

function mutate(random: Random, base: Buffer): Buffer {
  let disk = Buffer.from(base);
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const at = place(random, base);
    if (at >= disk.length) continue;
    switch (random.below(6)) {
      case 0:
        disk[at] = (disk[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        disk[at] = random.pick(telling);
        break;
      case 2:
        // A number that goes on for ever, or to the largest that there is.
        disk.fill(0xff, at, Math.min(at + 1 + random.below(12), disk.length));
        break;
      case 3: {
        const from = place(random, base);
        disk.copyWithin(at, from, from + random.below(60));
        break;
      }
      case 4:
        disk.set([5, random.pick(telling), random.pick(telling), 1].slice(0, disk.length - at), at);
        break;
      default:
        if (random.below(4) === 0) disk = disk.subarray(0, at);
    }
  }
  return disk;
}

/** What an error that is meant for a reader leaves of an attempt. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof RuntimeError) return undefined;
    throw error;
  }
}

/** @returns whether the image could be used */
function tryImage(disk: Buffer): boolean {
  isNanosImage(reader(disk));
  attempt(() =>
    readBootFile(reader(disk), findBootFile(reader(disk), readNanosDisk(reader(disk)), 'kernel')),
  );
  const image = attempt(() => readNanosImage(reader(disk)));
  if (image === undefined) return false;
  const plan = attempt(() => planNanosPatches(image, settings));
  if (plan === undefined) return false;
  checkAreas(disk, image, plan);
  const patched = Buffer.alloc(plan.diskSizeBytes);
  disk.copy(patched);
  for (const { offset, bytes } of plan.patches) patched.set(bytes, offset);
  const environment = childTuple(readNanosImage(reader(patched)).log.root, 'environment');
  if (environment?.entries.get('NEW') !== 'x') throw new Error('the patched image lacks a variable');
  return true;
}

function checkAreas(disk: Buffer, image: NanosImage, { patches, diskSizeBytes }: NanosPatchPlan): void {
  const { last, endOffset } = image.log;
  const segment = image.root.offset + last.offset;
  const areas = [
    [image.klogOffset, image.klogOffset + klogBytes],
    [segment + endOffset, segment + last.sizeBytes],
    [disk.length, diskSizeBytes],
  ] as const;
  for (const { offset, bytes } of patches) {
    const end = offset + bytes.length;
    if (!areas.some(([from, to]) => offset >= from && end <= to))
      throw new Error(`a patch at ${offset} of ${bytes.length} bytes is outside ${JSON.stringify(areas)}`);
  }
}

t.test(
  `readNanosImage() and what follows survive ${images} damaged images`,
  { timeout: 170_000 },
  async (t) => {
    let usable = 0;
    let slowestMs = 0;
    for (let index = 0; index < images; index++) {
      const random = new Random(seed + index * 7919);
      const disk = mutate(random, bases[index % bases.length] as Buffer);
      // The processor's time, since others may be busy, too.
      const start = process.cpuUsage();
      try {
        if (tryImage(disk)) usable++;
      } catch (error) {
        t.fail(`image ${index} of seed ${seed}: ${error instanceof Error ? error.stack : error}`);
        return;
      }
      slowestMs = Math.max(slowestMs, process.cpuUsage(start).user / 1000);
    }
    t.ok(slowestMs < 1000, `the slowest image took ${slowestMs.toFixed(1)} ms`);
    t.ok(usable > images / 100 && usable < images, `${usable} images could be used`);
  },
);
