import t from 'tap';
import { type NanosImage, readNanosImage } from '../../../src/unikernel/nanos/image.ts';
import { type NanosPatchPlan, planNanosPatches } from '../../../src/unikernel/nanos/patches.ts';
import type { NanosCard, NanosSettings } from '../../../src/unikernel/nanos/settings.ts';
import { type DiskOptions, type ManifestValue, nanosDisk, RawFile, reader } from '../support/nanos-image.ts';
import { type Manifest, manifestOf } from '../support/nanos-manifest.ts';

const nothing: NanosSettings = {
  env: [],
  args: undefined,
  cwd: undefined,
  cards: [],
  mounts: [],
  files: [],
};

const card: NanosCard = {
  ipv4: { address: '10.88.0.7', prefixLength: 16 },
  ipv4Gateway: '10.88.0.1',
  ipv6: 'fd00::7',
  mtu: 1450,
};

const address = {
  ipaddr: '10.88.0.7',
  netmask: '255.255.0.0',
  gateway: '10.88.0.1',
  ip6addr: 'fd00::7',
  mtu: '1450',
};

const root = {
  program: '/app',
  arguments: ['app', 'old'],
  environment: { HOME: '/root', MODE: 'image' },
  children: { etc: { children: { passwd: new RawFile(Buffer.from('root')) } }, link: { linktarget: '/etc' } },
};

interface Patched {
  readonly image: NanosImage;
  readonly plan: NanosPatchPlan;
  readonly disk: Buffer;
  /** Read from the patched disk. */
  readonly manifest: Manifest;
}

function patch(options: DiskOptions, settings: Partial<NanosSettings>): Patched {
  const base = nanosDisk(options);
  const image = readNanosImage(reader(base));
  const plan = planNanosPatches(image, { ...nothing, ...settings });
  const disk = Buffer.alloc(plan.diskSizeBytes);
  base.copy(disk);
  for (const { offset, bytes } of plan.patches) disk.set(bytes, offset);
  return { image, plan, disk, manifest: manifestOf(readNanosImage(reader(disk)).log.root) };
}

function child(manifest: Manifest, ...names: readonly string[]): Manifest {
  return names.reduce((tuple, name) => tuple[name] as Manifest, manifest);
}

for (const version of [4, 5] as const) {
  t.test(`planNanosPatches() adds to an image of version ${version}`, async (t) => {
    const { manifest, plan, disk, image } = patch(
      { version, root },
      { env: ['MODE=container', 'ü=ö=ä'], args: ['-v', 'x y'], cwd: '/etc', cards: [card] },
    );
    t.strictSame(manifest.environment, { HOME: '/root', MODE: 'container', ü: 'ö=ä' });
    t.strictSame(Object.values(manifest.arguments as object), ['app', '-v', 'x y']);
    t.match(manifest, { program: '/app', cwd: '/etc', debug_exit: 't', ...address });
    t.equal(plan.diskSizeBytes, image.sizeBytes, 'the disk stays as large as it is');
    t.equal(plan.patches.length, 2);
    const klog = disk.subarray(image.klogOffset, image.klogOffset + 4096);
    t.ok(
      klog.every((byte) => byte === 0),
      'the area of the last words is empty',
    );
  });
}

t.test('planNanosPatches() writes the record that the format asks for', async (t) => {
  const expected = {
    // A reference to a tuple with one entry, number 1; a new symbol of 10 bytes; a string of one.
    5: ['11', '01', '880a', Buffer.from('debug_exit').toString('hex'), 'c1', '74'],
    4: ['41', '01', '8a', Buffer.from('debug_exit').toString('hex'), '81', '74'],
  };
  for (const version of [4, 5] as const) {
    const { plan } = patch({ version, root: { program: '/app' } }, {});
    const value = expected[version].join('');
    const length = (value.length / 2).toString(16).padStart(2, '0');
    // A whole value, its length twice, the value, and the end of the log.
    t.equal(Buffer.from(plan.patches[1]?.bytes ?? []).toString('hex'), `02${length}${length}${value}01`);
  }
});

t.test('planNanosPatches() changes nothing but the log and the area of the last words', async (t) => {
  const base = nanosDisk({ version: 5, root });
  const { disk, image } = patch({ version: 5, root }, { env: ['A=b'] });
  const changed = [...disk.keys()].filter((at) => disk[at] !== base[at]);
  const logEnd = image.root.offset + image.log.last.offset + image.log.endOffset;
  const isAllowed = (at: number) =>
    (at >= image.klogOffset && at < image.klogOffset + 4096) || (at >= logEnd && at < logEnd + 100);
  t.ok(changed.length > 0 && changed.every(isAllowed));
});

t.test('planNanosPatches() can be done again on what it made', async (t) => {
  const first = patch({ version: 5, root }, { env: ['A=1'], args: ['one'] });
  const image = readNanosImage(reader(first.disk));
  const plan = planNanosPatches(image, { ...nothing, env: ['A=2', 'B=3'], cards: [card] });
  for (const { offset, bytes } of plan.patches) first.disk.set(bytes, offset);
  const manifest = manifestOf(readNanosImage(reader(first.disk)).log.root);
  t.strictSame(manifest.environment, { HOME: '/root', MODE: 'image', A: '2', B: '3' });
  t.match(manifest, { arguments: ['app', 'one'], ...address });
});

t.test('planNanosPatches() leaves what is not given as the image has it', async (t) => {
  const { manifest } = patch({ version: 5, root }, {});
  t.strictSame(manifest.environment, root.environment);
  t.strictSame(manifest.arguments, root.arguments);
  t.strictSame(Object.keys(manifest), ['program', 'arguments', 'environment', 'children', 'debug_exit']);
});

t.test('planNanosPatches() makes what an image lacks', async (t) => {
  const { manifest } = patch(
    { version: 5, root: { program: '/app', children: {} } },
    { env: ['A=b', 'EMPTY='], args: ['', 'x'] },
  );
  t.strictSame(manifest.environment, { A: 'b', EMPTY: '' });
  t.strictSame(manifest.arguments, ['/app', '', 'x'], 'the program is its own first argument');
});

t.test('planNanosPatches() takes out what would keep the machine from ending', async (t) => {
  const { manifest } = patch({ version: 4, root: { ...root, idle_on_exit: '*', reboot_on_exit: '!0' } }, {});
  t.notOk('idle_on_exit' in manifest || 'reboot_on_exit' in manifest);
});

t.test('planNanosPatches() describes further cards, and one that has a tuple, by their names', async (t) => {
  const second = { ...card, ipv4Gateway: undefined, ipv6: undefined, mtu: undefined };
  const { manifest } = patch(
    { version: 5, root: { ...root, en1: { mtu: '9000', 'io-queues': '2' } } },
    {
      cards: [card, second, { ipv4: undefined, ipv4Gateway: undefined, ipv6: undefined, mtu: undefined }],
    },
  );
  t.strictSame(manifest.en1, { 'io-queues': '2', ...address, mtu: '1450' });
  t.strictSame(manifest.en2, { ipaddr: '10.88.0.7', netmask: '255.255.0.0', gateway: '0.0.0.0' });
  t.notOk('ipaddr' in manifest || 'en3' in manifest);
});

t.test('planNanosPatches() takes out an address that the image has and the container has not', async (t) => {
  const stale = { ipaddr: '10.0.0.5', netmask: '255.0.0.0', gateway: '10.0.0.1', ip6addr: 'fd00::5' };
  const bare = { ipv4: undefined, ipv4Gateway: undefined, ipv6: undefined, mtu: undefined };
  const { manifest } = patch(
    { version: 5, root: { ...root, ...stale, en2: { ...stale, mtu: '9000' } } },
    { cards: [{ ...card, ipv6: undefined, mtu: undefined }, bare] },
  );
  t.match(manifest, { ipaddr: '10.88.0.7', netmask: '255.255.0.0', gateway: '10.88.0.1' });
  t.notOk('ip6addr' in manifest);
  t.strictSame(manifest.en2, { mtu: '9000' });
});

t.test('planNanosPatches() adds mounts, and the directories for them', async (t) => {
  const { manifest } = patch(
    { version: 5, root: { ...root, mounts: { old: '/old' } } },
    {
      mounts: [
        { volume: '%0', path: '/etc', isReadOnly: false },
        { volume: 'data', path: '/srv/data', isReadOnly: true },
      ],
    },
  );
  t.strictSame(manifest.mounts, { old: '/old', '%0': '/etc', data: '/srv/data:ro' });
  t.strictSame(child(manifest, 'children', 'srv', 'children', 'data', 'children'), {});
  t.ok(
    'passwd' in child(manifest, 'children', 'etc', 'children'),
    'a directory that was there keeps its files',
  );
});

t.test('planNanosPatches() puts files in place of the image’s, at the end of a larger disk', async (t) => {
  const content = Buffer.from('nameserver 10.88.0.1\n'.repeat(40));
  const { manifest, disk, image, plan } = patch(
    { version: 5, root, freeBytes: 100 },
    {
      files: [
        { path: '/etc/passwd', content },
        { path: '/proc/sys/empty', content: new Uint8Array() },
      ],
    },
  );
  const file = child(manifest, 'children', 'etc', 'children', 'passwd');
  t.equal(file.filelength, `${content.length}`);
  const extent = child(file, 'extents', '0');
  t.match(extent, { length: '2', allocated: '2' });
  const at = image.root.offset + Number(extent.offset) * 512;
  t.ok(at >= image.sizeBytes);
  t.equal(plan.diskSizeBytes, at + 1024);
  t.equal(disk.subarray(at, at + content.length).compare(content), 0);
  const empty = child(manifest, 'children', 'proc', 'children', 'sys', 'children', 'empty');
  t.strictSame(empty, { filelength: '0', extents: {} });
});

t.test('planNanosPatches() goes on in a new segment where the log has no room left', async (t) => {
  for (const version of [4, 5] as const) {
    for (let length = 1; length < 600; length += 7) {
      const options = { version, segmentSectors: 2, root: { ...root, filler: 'f'.repeat(length) } };
      const { manifest, plan, image } = patch(options, { env: [`LONG=${'x'.repeat(300)}`], args: ['a'] });
      t.match(manifest.environment, { LONG: 'x'.repeat(300), HOME: '/root' });
      const grown = plan.diskSizeBytes - image.sizeBytes;
      t.ok(grown === 0 || grown === 512 * 1024, `the disk grows by ${grown}`);
      const [, record] = plan.patches;
      const segmentEnd = image.root.offset + image.log.last.offset + image.log.last.sizeBytes;
      const recordEnd = (record?.offset ?? 0) + (record?.bytes.length ?? 0);
      t.ok(recordEnd <= segmentEnd);
      if (grown === 0) t.ok(recordEnd + 22 <= segmentEnd, 'the kernel can link from there');
    }
  }
});

t.test('planNanosPatches() takes an environment of 400 KiB', async (t) => {
  const env = Array.from({ length: 400 }, (_, index) => `V${index}=${'x'.repeat(1018)}`);
  const { manifest } = patch({ version: 5, root, segmentSectors: 8 }, { env });
  t.equal(Object.keys(manifest.environment as object).length, 402);
});

const refusals: readonly {
  readonly name: string;
  readonly settings: Partial<NanosSettings>;
  readonly options?: Partial<DiskOptions>;
  readonly message: RegExp;
}[] = [
  { name: 'a variable without "="', settings: { env: ['ABC'] }, message: /variable "ABC" cannot be given/ },
  { name: 'a variable without a name', settings: { env: ['=x'] }, message: /variable "=x" cannot be given/ },
  { name: 'a zero byte in a value', settings: { env: ['A=\0'] }, message: /variable "A" cannot be given/ },
  { name: 'a zero byte in an argument', settings: { args: ['x\0'] }, message: /argument "x\\u0000" cannot/ },
  {
    name: 'an empty argument for version 4',
    settings: { args: [''] },
    options: { version: 4 },
    message: /an empty argument or value cannot be given/,
  },
  {
    name: 'more than a segment',
    settings: { env: [`A=${'x'.repeat(525_000)}`] },
    message: /too long for a Nanos guest/,
  },
  {
    name: 'a mount point with an option in it',
    settings: { mounts: [{ volume: '%0', path: '/a:ro', isReadOnly: false }] },
    message: /mount point "\/a:ro" cannot be given/,
  },
  {
    name: 'a mount point with ".."',
    settings: { mounts: [{ volume: '%0', path: '/a/../b', isReadOnly: false }] },
    message: /no path for a Nanos guest/,
  },
  {
    name: 'a directory through a link',
    settings: { mounts: [{ volume: '%0', path: '/link/x', isReadOnly: false }] },
    message: /leads through something that is no directory/,
  },
  {
    name: 'a file as a directory',
    settings: { files: ['/a', '/a/b'].map((path) => ({ path, content: Buffer.of(1) })) },
    message: /leads through something that is no directory/,
  },
  {
    name: 'a large file',
    settings: { files: [{ path: '/a', content: Buffer.alloc(1024 * 1024 + 1) }] },
    message: /"\/a" is too large/,
  },
];

for (const { name, settings, options, message } of refusals) {
  t.test(`planNanosPatches() refuses ${name}`, async (t) => {
    t.throws(() => patch({ version: 5, root: root as Record<string, ManifestValue>, ...options }, settings), {
      code: 'GUEST_UNSUPPORTED',
      message,
    });
  });
}
