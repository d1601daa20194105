import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeOverlayDirectory, removeOverlayDirectory } from '../../src/host/overlay-directory.ts';

const modeOf = (path: string) => statSync(path).mode & 0o7777;

t.test('makeOverlayDirectory() makes a directory, and a link that leads to it', async (t) => {
  const folder = t.testdir({ state: {} });
  const [link, directory] = [join(folder, 'state/overlays'), join(folder, 'var/lib/overlays/a:id')];
  const before = process.umask(0o077);
  try {
    makeOverlayDirectory(link, directory);
  } finally {
    process.umask(before);
  }
  t.equal(readlinkSync(link), directory);
  t.equal(modeOf(directory), 0o711, 'root of a user namespace may pass, and nobody else may look');
  t.strictSame(readdirSync(directory), []);
  writeFileSync(join(link, 'disk0.qcow2'), 'x');
  t.equal(readFileSync(join(directory, 'disk0.qcow2'), 'utf8'), 'x');
});

t.test('makeOverlayDirectory() leaves nothing of a container that had the same place', async (t) => {
  const folder = t.testdir({
    state: {},
    overlays: { 'a:id': { old: 'x', 'disk0.qcow2': 'x' }, 'a:other': { x: '' } },
  });
  const outside = join(folder, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'kept'), '');
  symlinkSync(outside, join(folder, 'overlays/a:id/link'));
  makeOverlayDirectory(join(folder, 'state/overlays'), join(folder, 'overlays/a:id'));
  t.strictSame(readdirSync(join(folder, 'overlays/a:id')), []);
  t.strictSame(readdirSync(join(folder, 'overlays/a:other')), ['x']);
  t.strictSame(readdirSync(outside), ['kept'], 'a link in it is removed, not followed');
});

t.test('makeOverlayDirectory() takes no directory through a link that is in its place', async (t) => {
  const folder = t.testdir({ state: {}, overlays: {}, outside: { kept: '' } });
  symlinkSync(join(folder, 'outside'), join(folder, 'overlays/a:id'));
  makeOverlayDirectory(join(folder, 'state/overlays'), join(folder, 'overlays/a:id'));
  t.strictSame(readdirSync(join(folder, 'overlays/a:id')), []);
  t.strictSame(readdirSync(join(folder, 'outside')), ['kept']);
});

t.test('makeOverlayDirectory() says what to do where it cannot', async (t) => {
  const folder = t.testdir({ state: {}, file: 'x' });
  const directory = join(folder, 'file/a:id');
  const link = join(folder, 'state/overlays');
  const expected = {
    code: 'HOST_FAILED',
    message: `cannot make the directory "${directory}" for the guest's disks`,
    hint: /^set overlay_dir /,
  };
  t.throws(() => makeOverlayDirectory(link, directory), expected);
  t.equal(readlinkSync(link), directory, 'the link is there for who cleans up');
  t.doesNotThrow(() => removeOverlayDirectory(link));
});

t.test('removeOverlayDirectory() removes what the link leads to', async (t) => {
  const folder = t.testdir({ state: {}, overlays: { 'a:other': { x: '' } } });
  const [link, directory] = [join(folder, 'state/overlays'), join(folder, 'overlays/a:id')];
  makeOverlayDirectory(link, directory);
  writeFileSync(join(directory, 'disk0.qcow2'), 'x');
  removeOverlayDirectory(link);
  t.equal(existsSync(directory), false);
  t.strictSame(readdirSync(join(folder, 'overlays')), ['a:other']);
  t.doesNotThrow(() => removeOverlayDirectory(link), 'twice is no error');
});

t.test('removeOverlayDirectory() without a link does nothing', async (t) => {
  const folder = t.testdir({ state: {} });
  t.doesNotThrow(() => removeOverlayDirectory(join(folder, 'state/overlays')));
  rmSync(join(folder, 'state'), { recursive: true });
  t.doesNotThrow(() => removeOverlayDirectory(join(folder, 'state/overlays')));
});
