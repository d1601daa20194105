import { execFile, execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import {
  exists,
  filesIn,
  isProgram,
  listDirectory,
  makeDirectory,
  makeNewDirectory,
  readStartIfThere,
  readTextIfThere,
  withKernelReader,
  withUmask,
  writeFileAtomic,
} from '../../src/host/files.ts';

const modeOf = (path: string) => statSync(path).mode & 0o7777;

t.test('writeFileAtomic() writes content and mode, whatever the umask is', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'f');
  withUmask(0o777, () => writeFileAtomic(path, 'é\n', 0o644));
  t.equal(readFileSync(path, 'utf8'), 'é\n');
  t.equal(modeOf(path), 0o644);
  writeFileAtomic(path, 'x'.repeat(3_000_000), 0o400);
  t.equal(statSync(path).size, 3_000_000);
  t.equal(modeOf(path), 0o400);
  t.strictSame(readdirSync(folder), ['f'], 'nothing is left beside it');
});

t.test('writeFileAtomic() replaces a link, and not what it points to', async (t) => {
  const folder = t.testdir({ target: 'old' });
  symlinkSync('target', join(folder, 'link'));
  writeFileAtomic(join(folder, 'link'), 'new', 0o600);
  t.equal(readFileSync(join(folder, 'target'), 'utf8'), 'old');
  t.equal(readFileSync(join(folder, 'link'), 'utf8'), 'new');
});

t.test('writeFileAtomic() that fails leaves everything as it was', async (t) => {
  const folder = t.testdir({ taken: { inside: 'old' } });
  t.throws(() => writeFileAtomic(join(folder, 'taken'), 'new', 0o600), { code: 'EISDIR' });
  t.throws(() => writeFileAtomic(join(folder, 'missing/f'), 'new', 0o600), { code: 'ENOENT' });
  t.strictSame(readdirSync(folder), ['taken'], 'nothing is left beside it');
  t.equal(readFileSync(join(folder, 'taken/inside'), 'utf8'), 'old');
});

t.test('writeFileAtomic() on a full disk keeps the old content', async (t) => {
  const folder = t.testdir({ f: 'old' });
  const files = join(import.meta.dirname, '../../src/host/files.ts');
  // A limit on the size of files fails a write half-way, as a full disk does.
  const script = `
    process.on('SIGXFSZ', () => {});
    const { writeFileAtomic } = await import(${JSON.stringify(files)});
    try {
      writeFileAtomic(${JSON.stringify(join(folder, 'f'))}, 'x'.repeat(1_000_000), 0o600);
      console.log('written');
    } catch (error) {
      console.log(error.code);
    }`;
  const command = `ulimit -f 64; exec "$0" --input-type=module -e "$1"`;
  const { stdout } = await promisify(execFile)('sh', ['-c', command, process.execPath, script]);
  t.equal(stdout, 'EFBIG\n');
  t.equal(readFileSync(join(folder, 'f'), 'utf8'), 'old');
  t.strictSame(readdirSync(folder), ['f'], 'nothing is left beside it');
});

t.test('makeDirectory() makes parents, and gives the last its mode', async (t) => {
  const folder = t.testdir();
  withUmask(0o077, () => makeDirectory(join(folder, 'a/b'), 0o711));
  t.equal(modeOf(join(folder, 'a/b')), 0o711);
  makeDirectory(join(folder, 'a/b'), 0o755);
  t.equal(modeOf(join(folder, 'a/b')), 0o755, 'one that is there');
});

t.test('makeNewDirectory() says whether it was the one that made it', async (t) => {
  const folder = t.testdir({ file: '' });
  withUmask(0o077, () => t.equal(makeNewDirectory(join(folder, 'a/b'), 0o711), true));
  t.equal(modeOf(join(folder, 'a/b')), 0o711);
  t.equal(makeNewDirectory(join(folder, 'a/b'), 0o700), false);
  t.equal(modeOf(join(folder, 'a/b')), 0o711, 'what was there stays as it was');
  t.equal(makeNewDirectory(join(folder, 'file'), 0o700), false);
});

t.test('makeNewDirectory() is made by one of many processes', async (t) => {
  const folder = t.testdir();
  const files = join(import.meta.dirname, '../../src/host/files.ts');
  const script = `
    const { makeNewDirectory } = await import(${JSON.stringify(files)});
    for (let i = 0; i < 50; i++) console.log(makeNewDirectory(${JSON.stringify(folder)} + '/d' + i + '/x', 0o700));`;
  const runs = await Promise.all(
    Array.from({ length: 4 }, () =>
      promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]),
    ),
  );
  const wins = runs.flatMap(({ stdout }) => stdout.split('\n')).filter((line) => line === 'true').length;
  t.equal(wins, 50);
});

t.test('filesIn() has the files with an ending, sorted', async (t) => {
  const folder = t.testdir({ 'b.conf': '', 'a.conf': '', 'c.conf~': '', 'd.conf': {} });
  t.strictSame(filesIn(folder, '.conf'), [join(folder, 'a.conf'), join(folder, 'b.conf')]);
  t.strictSame(filesIn(join(folder, 'nothing'), '.conf'), []);
});

t.test('readTextIfThere(), listDirectory(), exists() take what is missing for an answer', async (t) => {
  const folder = t.testdir({ f: 'text', d: { one: '', two: '' } });
  symlinkSync('nowhere', join(folder, 'dangling'));
  const missing = [join(folder, 'none'), join(folder, 'f/below'), join(folder, 'dangling')];
  t.equal(readTextIfThere(join(folder, 'f')), 'text');
  t.strictSame([...listDirectory(join(folder, 'd'))].sort(), ['one', 'two']);
  t.equal(exists(join(folder, 'd')), true);
  for (const path of missing) {
    t.equal(readTextIfThere(path), undefined, path);
    t.strictSame(listDirectory(path), [], path);
    t.equal(exists(path), false, path);
  }
  t.throws(() => readTextIfThere(join(folder, 'd')), { code: 'EISDIR' }, 'a directory is not missing');
  t.strictSame(listDirectory(join(folder, 'f')), [], 'a file lists nothing');
});

t.test('isProgram() holds for files that we may run', async (t) => {
  const folder = t.testdir({ plain: '', folder: {} });
  writeFileSync(join(folder, 'program'), '', { mode: 0o755 });
  symlinkSync('program', join(folder, 'link'));
  symlinkSync('nowhere', join(folder, 'dangling'));
  const expected = { program: true, link: true, plain: false, folder: false, dangling: false, none: false };
  for (const [name, is] of Object.entries(expected)) t.equal(isProgram(join(folder, name)), is, name);
});

t.test('withKernelReader() reads any part of a file, and closes it', async (t) => {
  const path = join(t.testdir({ f: '0123456789' }), 'f');
  const open = () => readdirSync('/proc/self/fd').length;
  const before = open();
  const read = (offset: number, length: number) =>
    withKernelReader(path, (reader) => Buffer.from(reader.read(offset, length)).toString());
  t.equal(read(0, 4), '0123');
  t.equal(read(8, 10), '89');
  t.equal(read(10, 1), '');
  t.equal(read(1000, 1), '');
  t.equal(
    withKernelReader(path, ({ sizeBytes }) => sizeBytes),
    10,
  );
  t.throws(() => withKernelReader(path, () => JSON.parse('')), SyntaxError);
  t.equal(open(), before, 'no descriptor is left open');
});

t.test('withKernelReader() and readStartIfThere() wait for no pipe and read no device', async (t) => {
  const folder = t.testdir({ f: 'é'.repeat(100), dir: {} });
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const open = () => readdirSync('/proc/self/fd').length;
  const before = open();
  for (const path of [pipe, '/dev/zero', join(folder, 'dir')]) {
    t.throws(() => withKernelReader(path, () => 'used'), { code: 'KERNEL_MISSING' }, path);
    t.equal(readStartIfThere(path, 10), undefined, path);
  }
  t.equal(readStartIfThere(join(folder, 'f'), 10), 'é'.repeat(5));
  t.equal(readStartIfThere(join(folder, 'f'), 1000), 'é'.repeat(100));
  t.equal(readStartIfThere(join(folder, 'missing'), 10), undefined);
  t.equal(open(), before, 'no descriptor is left open');
});

t.test('withUmask() is over when it ends', async (t) => {
  const before = process.umask();
  t.equal(
    withUmask(0o123, () => process.umask()),
    0o123,
  );
  t.throws(() => withUmask(0o123, () => JSON.parse('')), SyntaxError);
  t.equal(process.umask(), before);
});
