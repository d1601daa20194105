import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { copyFileTo, writeStreamTo } from '../../src/host/copy-file.ts';

const mebibyte = 1024 * 1024;

t.test('copyFileTo() copies content, and leaves holes for zeros', async (t) => {
  const folder = t.testdir();
  const [source, target] = [join(folder, 'a'), join(folder, 'b')];
  const content = Buffer.concat([
    Buffer.from('start'),
    Buffer.alloc(16 * mebibyte),
    Buffer.from('end'),
    Buffer.alloc(5),
  ]);
  writeFileSync(source, content);
  let done = 0;
  const onBytes = (count: number) => {
    done += count;
  };
  await copyFileTo(source, target, { mode: 0o644, signal: new AbortController().signal, onBytes });
  t.ok(readFileSync(target).equals(content));
  t.equal(done, content.length);
  t.equal(statSync(target).mode & 0o777, 0o644);
  t.ok(statSync(target).blocks * 512 < 8 * mebibyte, 'most of it is a hole');
});

t.test('copyFileTo() keeps a file that is there, and stops when it is told to', async (t) => {
  const folder = t.testdir({ a: 'a', b: 'b', big: Buffer.alloc(8 * mebibyte, 1) });
  const options = { mode: 0o644, signal: new AbortController().signal, onBytes: () => {} };
  await t.rejects(copyFileTo(join(folder, 'a'), join(folder, 'b'), options), { code: 'EEXIST' });
  const stopping = new AbortController();
  const copying = writeStreamTo(
    (async function* () {
      yield Buffer.from('x');
      stopping.abort(new Error('enough'));
      yield Buffer.from('y');
    })(),
    join(folder, 'c'),
    { ...options, signal: stopping.signal },
  );
  await t.rejects(copying, { message: 'enough' });
});
