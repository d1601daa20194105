import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeMountPlace } from '../../src/host/mount-place.ts';

t.test('makeMountPlace() makes what is missing, and leaves what is there', async (t) => {
  const root = t.testdir({ etc: { 'app.conf': 'old' } });
  const open = () => readdirSync('/proc/self/fd').length;
  const before = open();
  makeMountPlace(root, '/a/b/c', 'directory');
  makeMountPlace(root, '/a/b/c', 'directory');
  makeMountPlace(root, '/a/d/file', 'file');
  makeMountPlace(root, '/etc/app.conf', 'file');
  t.ok(statSync(join(root, 'a/b/c')).isDirectory());
  t.equal(statSync(join(root, 'a/d/file')).size, 0);
  t.equal(readFileSync(join(root, 'etc/app.conf'), 'utf8'), 'old');
  t.equal(open(), before, 'no descriptor is left open');
});

t.test('makeMountPlace() makes nothing behind a link that came after the look', async (t) => {
  const folder = t.testdir({ root: {}, outside: {} });
  const root = join(folder, 'root');
  symlinkSync('../outside', join(root, 'up'));
  symlinkSync(join(folder, 'outside'), join(root, 'abs'));
  mkdirSync(join(root, 'd'));
  symlinkSync('../../outside/file', join(root, 'd/file'));
  writeFileSync(join(root, 'plain'), '');
  const refused = { code: 'VOLUME_UNSUPPORTED', message: /^nothing can be mounted at "/ };
  for (const place of ['/up', '/up/x', '/abs/x', '/plain', '/plain/x'])
    t.throws(() => makeMountPlace(root, place, 'directory'), refused, place);
  t.throws(() => makeMountPlace(root, '/abs/f', 'file'), refused);
  makeMountPlace(root, '/d/file', 'file');
  t.strictSame(readdirSync(join(folder, 'outside')), [], 'a link is what is there already');
});
