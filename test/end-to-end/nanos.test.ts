/**
 * A Nanos image under podman. The kernel on its boot partition is the sample hello, which knows nothing of Nanos: what the guest is
 * told is read from the container's disk on the host.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { readNanosImage } from '../../src/unikernel/nanos/image.ts';
import { nanosDisk, nanosVolume, RawFile } from '../unikernel/support/nanos-image.ts';
import { type Manifest, manifestOf } from '../unikernel/support/nanos-manifest.ts';
import { quote } from './support/command.ts';
import { registry, scratch, ucrun } from './support/environment.ts';
import { addressOf, monitorOf, removeAtEnd, runArgs, runGuest, startGuest } from './support/guests.ts';
import { buildTrackerImage } from './support/images.ts';
import { nothingLeft, tracesOf } from './support/leftovers.ts';
import { inspect, podman, podmanOutput } from './support/podman.ts';
import { withOverlay } from './support/qcow2.ts';
import { waitFor } from './support/wait.ts';

const folder = join(scratch, 'nanos-registry');
const image = join(folder, 'nanos/x.img');
const overlays = '/run/ucrun-env/overlays';
const runtime = join(scratch, 'ucrun-nanos');
const klogOffset = 24 * 512 - 4096;

t.before(async () => {
  await buildTrackerImage();
  const kernel = await readFile(join(registry, 'hello/hello.elf'));
  const root = {
    program: '/app',
    arguments: ['app', 'of the image'],
    environment: { HOME: '/root', MODE: 'image' },
    children: { app: new RawFile(Buffer.from('a program')), etc: { children: {} } },
  };
  const disk = nanosDisk({ version: 5, root, kernel, bootSectors: Math.ceil(kernel.length / 512) + 64 });
  await mkdir(join(folder, 'nanos'), { recursive: true });
  await writeFile(image, disk);
  await writeFile(join(folder, 'nanos/unikernel.json'), '{"guest":"nanos","disk":"x.img"}');
  const config = join(scratch, 'nanos.toml');
  await writeFile(
    config,
    `registries = [${JSON.stringify(folder)}]\noverlay_dir = ${JSON.stringify(overlays)}\n`,
  );
  const script = ['#!/bin/sh', `export UCRUN_CONFIG=${quote(config)}`, `exec ${quote(ucrun)} "$@"`, ''];
  await writeFile(runtime, script.join('\n'), { mode: 0o755 });
});

const checksum = async () =>
  createHash('sha256')
    .update(await readFile(image))
    .digest('hex');

/** The overlay of a container's disk, by the container's id. */
async function overlayOf(id: string): Promise<string> {
  const found = (await readdir(overlays)).find((name) => name.endsWith(`:${id}`));
  return join(overlays, found ?? `no directory of ${id}`, 'disk0.qcow2');
}

/** What the guest is told, as it is on the container's disk. */
async function manifestFor(id: string): Promise<Manifest> {
  const overlay = await overlayOf(id);
  return withOverlay(overlay, image, (disk) => manifestOf(readNanosImage(disk).log.root));
}

const onRuntime = (...options: readonly string[]) => ['--runtime', runtime, ...options];

t.test('the kernel in an image is started at once, and its disk holds what the guest is told', async (t) => {
  const before = await checksum();
  const name = 'na-settings';
  const options = onRuntime('--hostname', 'some-nanos', '--env', 'MODE=container', '--env', 'WORDS=a b');
  const args = ['-v', 'two words'];
  await podmanOutput(runArgs(name, { service: 'nanos', options: ['--detach', ...options], args }));
  const traces = await tracesOf(name);
  removeAtEnd(t, name, traces);
  // It is told no address, and so never says that it is ready.
  await waitFor('the kernel to run', async () => /^hello: /m.test((await podman(['logs', name])).stdout), 60);
  const monitor = await readFile(`/proc/${await monitorOf(name)}/cmdline`, 'utf8');
  t.match(monitor, /\0-M\0q35\b/);
  t.match(monitor, '\0-kernel\0');
  t.notMatch(monitor, '\0-append\0');

  const manifest = await manifestFor(traces.id);
  t.match(manifest, {
    program: '/app',
    environment: { HOME: '/root', MODE: 'container', WORDS: 'a b' },
    ipaddr: await addressOf(name),
    netmask: '255.255.0.0',
    gateway: await inspect(name, '{{.NetworkSettings.Gateway}}'),
    debug_exit: 't',
    children: { etc: { children: { hostname: { filelength: '11' } } } },
  });
  t.strictSame(Object.values(manifest.arguments as object), ['app', '-v', 'two words']);
  const klog = withOverlay(await overlayOf(traces.id), image, (disk) => disk.read(klogOffset, 4096));
  t.ok(
    klog.every((byte) => byte === 0),
    'the area of the last words is empty',
  );

  t.equal((await podman(['stop', name])).status, 0);
  t.equal((await podman(['rm', name])).status, 0);
  await nothingLeft(traces);
  t.equal(await checksum(), before, 'the image stays as it is');
});

t.test('without a network there is no address, and the image is asked for nothing else', async (t) => {
  const name = 'na-none';
  const { id } = await startGuest(t, name, {
    service: 'nanos',
    options: onRuntime('--network', 'none'),
  });
  const manifest = await manifestFor(id);
  t.notOk('ipaddr' in manifest);
  t.strictSame(manifest.arguments, ['app', 'of the image']);
});

t.test('two guests run from one image, each with a disk of its own', async (t) => {
  const before = await checksum();
  const told = await Promise.all(
    ['one', 'two'].map(async (word) => {
      const { id } = await startGuest(t, `na-${word}`, {
        service: 'nanos',
        options: onRuntime('--network', 'none', '--env', `WORD=${word}`),
      });
      return (await manifestFor(id)).environment as Manifest;
    }),
  );
  t.strictSame(
    told.map(({ WORD }) => WORD),
    ['one', 'two'],
  );
  t.equal(await checksum(), before);
});

t.test("the code in the last words on the disk is the container's status", async (t) => {
  const name = 'na-code';
  const { id } = await startGuest(t, name, {
    service: 'nanos',
    options: onRuntime('--network', 'none'),
  });
  const overlay = await overlayOf(id);
  const place = withOverlay(overlay, image, (disk) => disk.locate(klogOffset));
  const words = Buffer.alloc(16);
  words.write('KLOG');
  words.writeInt32LE(200, 12);
  const file = await open(overlay, 'r+');
  await file.write(words, 0, words.length, place ?? -1);
  await file.close();
  // As the guest that leaves such words would; hello has an exit status of its own at hand.
  process.kill(await monitorOf(name), 'SIGKILL');
  t.equal(await podmanOutput(['wait', name]), '200');
});

t.test('what a Nanos guest cannot have is refused when the container is created', async (t) => {
  const file = join(scratch, 'nanos-file');
  await writeFile(file, 'x');
  const volume = join(scratch, 'nanos-volume.img');
  await writeFile(volume, nanosVolume({ version: 5, root: { children: {} }, label: 'data' }));
  const plain = join(scratch, 'nanos-no-volume.img');
  await writeFile(plain, Buffer.alloc(4096));
  const cases: readonly [options: readonly string[], message: RegExp][] = [
    [['-v', `${file}:/etc/file`], /volume .*\/etc\/file.* cannot be given to a guest of type "nanos"/],
    [['-v', `${plain}:/data`], /nanos-no-volume\.img/],
    [['-v', `${volume}:/a`, '-v', `${volume}:/b`], /"\/[ab]" cannot be given .*: another volume/],
    [['-v', `${scratch}:/data`, '--annotation', 'ucrun.machine=microvm'], /on microvm/],
  ];
  for (const [options, message] of cases) {
    const { status, stderr } = await runGuest('na-refused', {
      service: 'nanos',
      options: onRuntime('--rm', '--network', 'none', ...options),
    });
    t.not(status, 0);
    t.match(stderr, message);
  }
});
