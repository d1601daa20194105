import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import t from 'tap';
import { extractFiles, readImageTree } from '../../../src/host/oci/layers.ts';
import { type OciImage, openLayout, readImage } from '../../../src/host/oci/layout.ts';
import { archiveLayout } from '../../../src/host/oci/write-layout.ts';
import { digestOf, layerOf, layoutOf } from '../support/oci-layout.ts';

const { signal } = new AbortController();
const options = { mode: 0o644, signal, onBytes: () => {} };
function imageIn(path: string): OciImage {
  const layout = openLayout(path);
  if (layout === undefined) throw new Error(`${path} is no layout`);
  return readImage(layout);
}

t.test('files come out of plain, gzip and zstd layers, of layouts and archives', async (t) => {
  const folder = t.testdir({ out: {} });
  const layers = [
    await layerOf([{ name: 'a' }, 'lower'], [{ name: 'b' }, 'b']),
    gzipSync(await layerOf([{ name: 'a' }, 'upper'], [{ name: 'c', type: 'link', linkname: 'a' }])),
    zstdCompressSync(
      await layerOf(
        [{ name: `${'long/'.repeat(40)}d` }, 'd'.repeat(100_000)],
        [{ name: 'ucrun.json' }, '{}'],
      ),
    ),
  ];
  const layout = layoutOf(folder, layers);
  const archive = join(folder, 'archive.tar');
  const names = readdirSync(layout, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(layout.length + 1));
  await archiveLayout(layout, names, archive, options);
  for (const [index, path] of [layout, archive].entries()) {
    const image = imageIn(path);
    const { tree, textOf } = await readImageTree(image, ['ucrun.json'], signal);
    t.equal(textOf('/ucrun.json'), '{}');
    t.equal(textOf('/a'), undefined, 'its text was not asked for');
    const wanted = ['/a', '/b', '/c', `/${'long/'.repeat(40)}d`].map((name, number) => {
      const place = tree.find(name);
      if (place === undefined) throw new Error(`no ${name}`);
      return { place, target: join(folder, 'out', `${index}-${number}`) };
    });
    await extractFiles(image, wanted, options);
    const texts = wanted.map(({ target }) => readFileSync(target, 'utf8'));
    t.strictSame(texts, ['upper', 'b', 'upper', 'd'.repeat(100_000)], path);
  }
});

t.test('nothing of a hostile layer is written but what was asked for, where it was asked for', async (t) => {
  const folder = t.testdir({ out: {}, secret: 'secret' });
  const layer = await layerOf(
    [{ name: '../../../evil' }, 'evil'],
    [{ name: '/abs/evil' }, 'evil'],
    [{ name: 'up', type: 'symlink', linkname: '../../../../../../etc/passwd' }],
    [{ name: 'abs-link', type: 'symlink', linkname: `${folder}/secret` }],
    [{ name: 'hard', type: 'link', linkname: `${folder}/secret` }],
    [{ name: 'device', type: 'character-device', devmajor: 1, devminor: 5 }],
    [{ name: 'dir', type: 'symlink', linkname: '/' }],
    [{ name: 'dir/through' }, 'through'],
  );
  const image = imageIn(layoutOf(folder, [layer]));
  const { tree } = await readImageTree(image, [], signal);
  for (const path of ['/up', '/abs-link', '/hard', '/device', `${folder}/secret`])
    t.equal(tree.find(path), undefined, path);
  const place = tree.find('/through');
  if (place === undefined) throw new Error('nothing was found');
  await extractFiles(image, [{ place, target: join(folder, 'out/kernel') }], options);
  t.strictSame(readdirSync(join(folder, 'out')), ['kernel']);
  t.strictSame(readdirSync(folder).sort(), ['layout', 'out', 'secret']);
});

t.test('an image that is damaged is refused', async (t) => {
  const code = 'OCI_IMAGE_INVALID';
  const folder = t.testdir();
  const layer = gzipSync(await layerOf([{ name: 'a' }, 'x'.repeat(100_000)]));
  const read = (path: string) => readImageTree(imageIn(path), [], signal);
  const blobOf = (path: string, bytes: Uint8Array) => join(path, 'blobs', digestOf(bytes).replace(':', '/'));

  const changed = layoutOf(folder, [layer], 'changed');
  const other = gzipSync(await layerOf([{ name: 'b' }, 'y']));
  writeFileSync(blobOf(changed, layer), other);
  await t.rejects(read(changed), { code, message: /is not what its name says/ });

  const cut = layer.subarray(0, layer.length / 2);
  await t.rejects(read(layoutOf(folder, [cut], 'cut')), { code, message: /has a layer that cannot be read/ });
  const garbage = Buffer.alloc(4096, 'garbage');
  await t.rejects(read(layoutOf(folder, [garbage], 'garbage')), {
    code,
    message: /has a layer that cannot be read/,
  });

  const missing = layoutOf(folder, [layer], 'missing');
  writeFileSync(join(missing, 'index.json'), '{"manifests":[]}');
  t.throws(() => imageIn(missing), { code, message: /is empty$/ });
  const away = layoutOf(folder, [layer], 'away');
  const index = JSON.parse(readFileSync(join(away, 'index.json'), 'utf8'));
  index.manifests[0].digest = `sha256:${'0'.repeat(64)}`;
  writeFileSync(join(away, 'index.json'), JSON.stringify(index));
  t.throws(() => imageIn(away), { code, message: /is damaged: sha256:0+ is missing$/ });
});

t.test('an image cannot fill the memory with texts', async (t) => {
  const text = ' '.repeat(64 * 1024);
  const entries = Array.from({ length: 257 }, (_, index) => [{ name: `${index}/ucrun.json` }, text] as const);
  const image = imageIn(layoutOf(t.testdir(), [gzipSync(await layerOf(...entries))]));
  await t.rejects(readImageTree(image, ['ucrun.json', 'urunc.json'], signal), {
    code: 'OCI_IMAGE_INVALID',
    message: /has too many files ucrun\.json and urunc\.json$/,
  });
  t.ok(await readImageTree(image, ['urunc.json'], signal));
});

t.test('an empty layer has nothing in it', async (t) => {
  const layers = [new Uint8Array(), await layerOf([{ name: 'ucrun.json' }, '{}'])];
  const { textOf } = await readImageTree(imageIn(layoutOf(t.testdir(), layers)), ['ucrun.json'], signal);
  t.equal(textOf('/ucrun.json'), '{}');
});

t.test('a layer whose header promises more than there is ends in an error', async (t) => {
  const folder = t.testdir({ out: {} });
  const layer = await layerOf([{ name: 'a' }, 'x'.repeat(2000)]);
  const layout = layoutOf(folder, [layer.subarray(0, 1024)]);
  await t.rejects(readImageTree(imageIn(layout), [], signal), { code: 'OCI_IMAGE_INVALID' });
});

t.test('an extended header cannot make a file without an end', async (t) => {
  for (const size of ['abc', '-5', '9'.repeat(20)]) {
    const header = { name: 'ucrun.json', pax: { size } };
    const layer = await layerOf([header, '{}'], [{ name: 'b' }, 'b']);
    const image = imageIn(layoutOf(t.testdir(), [layer]));
    await t.rejects(
      readImageTree(image, ['ucrun.json'], signal),
      { code: 'OCI_IMAGE_INVALID', message: /has a file of \S+ bytes in a layer$/ },
      size,
    );
  }
});

t.test('reading stops when it is told to', async (t) => {
  const folder = t.testdir();
  const stopped = AbortSignal.abort(new Error('enough'));
  const image = imageIn(layoutOf(folder, [gzipSync(await layerOf([{ name: 'a' }, 'x'.repeat(1e6)]))]));
  await t.rejects(readImageTree(image, [], stopped), { message: 'enough' });
});
