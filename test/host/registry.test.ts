import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findInRegistries, listRegistries, resolveInEntry } from '../../src/host/registry.ts';
import { nanosDisk } from './support/nanos-disk.ts';

const only = (folders: readonly string[], opsImages: readonly string[] = []) => ({ folders, opsImages });

const json = (value: unknown) => ({ 'unikernel.json': JSON.stringify(value) });

t.test('findInRegistries() takes the first registry that has the name', async (t) => {
  const folder = t.testdir({
    one: { a: json({ from: 'one' }) },
    two: { a: json({ from: 'two' }), b: json({ from: 'two' }) },
  });
  const registries = [join(folder, 'missing'), join(folder, 'one'), join(folder, 'two')];
  t.strictSame(findInRegistries(only(registries), 'a'), {
    name: 'a',
    directory: join(folder, 'one/a'),
    source: join(folder, 'one/a/unikernel.json'),
    content: { from: 'one' },
  });
  t.match(findInRegistries(only(registries), 'b'), { content: { from: 'two' } });
});

t.test('findInRegistries() names what there is, and the nearest', async (t) => {
  const folder = t.testdir({ one: { hello: json({}), web: json({}) }, two: { web: json({}), broken: {} } });
  const registries = [join(folder, 'one'), join(folder, 'two')];
  t.throws(() => findInRegistries(only(registries), 'helo'), {
    code: 'UNIKERNEL_UNKNOWN',
    message: 'unikernel "helo" is unknown; there are: hello, web',
    hint: 'did you mean "hello"?',
  });
  t.throws(() => findInRegistries(only(registries), 'database'), {
    code: 'UNIKERNEL_UNKNOWN',
    message: /there are: hello, web$/,
    hint: `put it into a folder ${folder}/one/database, or add it with "ucrun image"`,
  });
  t.throws(
    () => findInRegistries(only(registries), 'broken'),
    { code: 'UNIKERNEL_UNKNOWN' },
    'a folder without unikernel.json is none',
  );
  t.throws(() => findInRegistries(only([join(folder, 'none')]), 'x'), {
    message: `unikernel "x" is unknown; there is none in ${folder}/none`,
  });
  t.throws(() => findInRegistries(only([]), 'x'), {
    code: 'UNIKERNEL_UNKNOWN',
    hint: /no registry is configured/,
  });
});

t.test('findInRegistries() refuses a unikernel.json that is no JSON object', async (t) => {
  const folder = t.testdir({
    cut: { 'unikernel.json': '{"guest":' },
    comma: { 'unikernel.json': '{\n  "guest": "raw",\n}\n' },
    list: json([]),
    nothing: json(null),
    text: json('x'),
  });
  for (const [name, problem] of [
    ['cut', 'it ends too early'],
    ['comma', 'line 3, column 1'],
  ] as const) {
    const path = `${folder}/${name}/unikernel.json`;
    const expected = {
      code: 'UNIKERNEL_INVALID',
      message: `${path} is not JSON: ${problem}`,
      hint: `"jq . ${path}" checks it`,
    };
    t.throws(() => findInRegistries(only([folder]), name), expected, name);
  }
  for (const name of ['list', 'nothing', 'text']) {
    const expected = {
      code: 'UNIKERNEL_INVALID',
      message: `${folder}/${name}/unikernel.json must hold a JSON object`,
    };
    t.throws(() => findInRegistries(only([folder]), name), expected, name);
  }
});

t.test('listRegistries() lists each name once, in order', async (t) => {
  const folder = t.testdir({
    one: { b: json({}), a: json({}), '.git': {}, 'a-file': 'x' },
    two: { a: json({}), c: json({}), empty: {} },
  });
  t.strictSame(listRegistries(only([join(folder, 'two'), join(folder, 'one'), join(folder, 'none')])), [
    'a',
    'b',
    'c',
  ]);
  t.strictSame(listRegistries(only([])), []);
});

t.test('images of ops are found behind the registries, by their names without an ending', async (t) => {
  const folder = t.testdir({
    registry: { both: json({ from: 'registry' }), '.new-1-2-3-0': json({}) },
    images: {
      web: nanosDisk(),
      'old.img': nanosDisk(),
      both: nanosDisk(),
      'No Name': nanosDisk(),
      notes: 'x',
      sub: {},
    },
  });
  const registries = only([join(folder, 'registry')], [join(folder, 'images'), join(folder, 'none')]);
  t.strictSame(listRegistries(registries), ['both', 'old', 'web']);
  t.match(findInRegistries(registries, 'both'), { content: { from: 'registry' } });
  for (const [name, file] of [
    ['web', 'web'],
    ['old', 'old.img'],
  ] as const) {
    const entry = findInRegistries(registries, name);
    t.match(entry, { content: { guest: 'nanos', disk: file } }, name);
    t.equal(resolveInEntry(entry, file, 'disk'), join(folder, 'images', file));
  }
  t.throws(() => findInRegistries(registries, 'notes'), { code: 'UNIKERNEL_UNKNOWN' });
});

t.test('resolveInEntry() finds the files of an entry, links followed', async (t) => {
  const folder = t.testdir({
    registry: { x: { ...json({}), kernel: 'k', sub: { initrd: 'i' } } },
    elsewhere: 'e',
  });
  const entry = findInRegistries(only([join(folder, 'registry')]), 'x');
  symlinkSync('../../elsewhere', join(entry.directory, 'link'));
  symlinkSync('nowhere', join(entry.directory, 'dangling'));
  symlinkSync('loop', join(entry.directory, 'loop'));
  mkdirSync(join(entry.directory, 'folder'));
  t.equal(resolveInEntry(entry, 'kernel', 'kernel'), join(entry.directory, 'kernel'));
  t.equal(resolveInEntry(entry, 'sub/initrd', 'initrd'), join(entry.directory, 'sub/initrd'));
  // The registry is the administrator's, who may share files between entries.
  t.equal(resolveInEntry(entry, 'link', 'kernel'), join(folder, 'elsewhere'));
  t.equal(resolveInEntry(entry, '../../elsewhere', 'kernel'), join(folder, 'elsewhere'));
  t.equal(resolveInEntry(entry, join(folder, 'elsewhere'), 'kernel'), join(folder, 'elsewhere'));

  for (const path of ['none', 'kernel/below', 'dangling', 'loop']) {
    t.throws(
      () => resolveInEntry(entry, path, 'kernel'),
      {
        code: 'KERNEL_MISSING',
        message: `kernel "${path}" of unikernel "x" is missing`,
        hint: `${entry.source} names it; put the file there, or correct the name`,
      },
      path,
    );
  }
  t.throws(() => resolveInEntry(entry, 'folder', 'initrd'), {
    code: 'KERNEL_MISSING',
    message: 'initrd "folder" of unikernel "x" is not a regular file',
  });
});
