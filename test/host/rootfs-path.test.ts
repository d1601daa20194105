import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { resolveInRootfs } from '../../src/host/rootfs-path.ts';

/** A root file system with files and links, beside something that must not be reached from it. */
function makeRoot(folder: string, links: Readonly<Record<string, string>>): string {
  const root = join(folder, 'rootfs');
  for (const file of ['kernel', 'boot/vmlinuz', 'a/b/c/deep', 'etc/shadow']) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), file);
  }
  writeFileSync(join(folder, 'secret'), 'of the host');
  writeFileSync(join(folder, 'kernel'), 'of the host');
  for (const [name, target] of Object.entries(links)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    symlinkSync(target, join(root, name));
  }
  return root;
}

t.test('resolveInRootfs() finds files as a chrooted process would', async (t) => {
  const root = makeRoot(t.testdir(), {
    relative: 'boot/vmlinuz',
    absolute: '/boot/vmlinuz',
    'boot/up': '../kernel',
    'boot/far-up': '../../../../../../kernel',
    'a/b/folder': '/boot',
    'a/b/parent': '..',
    shadow: '/etc/shadow',
    hop1: 'hop2',
    hop2: '/hop3',
    hop3: './a/../kernel',
    slashes: '//boot///vmlinuz',
  });
  const cases: readonly [path: string, found: string][] = [
    ['kernel', 'kernel'],
    ['/kernel', 'kernel'],
    ['./kernel', 'kernel'],
    ['//boot//./vmlinuz', 'boot/vmlinuz'],
    ['a/b/c/../../../kernel', 'kernel'],
    ['/../../../../kernel', 'kernel'],
    ['..//../kernel', 'kernel'],
    ['relative', 'boot/vmlinuz'],
    ['absolute', 'boot/vmlinuz'],
    ['slashes', 'boot/vmlinuz'],
    ['boot/up', 'kernel'],
    ['boot/far-up', 'kernel'],
    ['a/b/folder/vmlinuz', 'boot/vmlinuz'],
    // What is behind a link to a folder is the folder's parent, not the link's.
    ['a/b/folder/../kernel', 'kernel'],
    ['a/b/parent/b/c/deep', 'a/b/c/deep'],
    ['hop1', 'kernel'],
    // The image's own shadow file, which is not the host's.
    ['shadow', 'etc/shadow'],
  ];
  for (const [path, found] of cases) t.equal(resolveInRootfs(root, path, 'kernel'), join(root, found), path);
});

t.test('resolveInRootfs() never leaves the root', async (t) => {
  const folder = t.testdir();
  const root = makeRoot(folder, {
    up: '../secret',
    'a/far-up': '../../../../../../../../../../secret',
    host: join(folder, 'secret'),
    'host-folder': folder,
    process: '/proc/self/root',
    'to-passwd': '/etc/passwd',
  });
  for (const path of [
    '../secret',
    '/../secret',
    'up',
    'a/far-up',
    'host',
    'host-folder/secret',
    'process/etc/passwd',
    'to-passwd',
    join(folder, 'secret'),
  ]) {
    t.throws(
      () => resolveInRootfs(root, path, 'kernel'),
      {
        code: 'KERNEL_MISSING',
        message: `kernel "${path}" is missing from the image`,
        hint: /looked up inside the image/,
      },
      path,
    );
  }
});

t.test('resolveInRootfs() names what is no file', async (t) => {
  const root = makeRoot(t.testdir(), {
    loop: 'loop',
    ping: 'pong',
    pong: '/ping',
    dangling: '/nowhere',
    'to-folder': 'boot',
    'to-root': '/',
  });
  const missing = (path: string) => `initrd "${path}" is missing from the image`;
  const irregular = (path: string) => `initrd "${path}" in the image is not a regular file`;
  const loop = (path: string) => `initrd "${path}" is a loop of links`;
  const cases: readonly [path: string, message: (path: string) => string][] = [
    ['nowhere', missing],
    ['nowhere/kernel', missing],
    ['dangling', missing],
    ['kernel/x', missing],
    ['x'.repeat(300), missing],
    ['boot', irregular],
    ['', irregular],
    ['/', irregular],
    ['..', irregular],
    ['to-folder', irregular],
    ['to-root', irregular],
    ['loop', loop],
    ['ping', loop],
    ['loop/x', loop],
  ];
  for (const [path, message] of cases)
    t.throws(
      () => resolveInRootfs(root, path, 'initrd'),
      { code: 'KERNEL_MISSING', message: message(path) },
      path,
    );
});

t.test('resolveInRootfs() follows as many links as the kernel does', async (t) => {
  const chain = (length: number) =>
    Object.fromEntries(
      Array.from({ length }, (_, index) => [`l${index}`, index === 0 ? 'kernel' : `l${index - 1}`]),
    );
  const root = makeRoot(t.testdir(), chain(41));
  t.equal(resolveInRootfs(root, 'l39', 'kernel'), join(root, 'kernel'), '40 links');
  t.throws(
    () => resolveInRootfs(root, 'l40', 'kernel'),
    { message: 'kernel "l40" is a loop of links' },
    '41 links',
  );
});

t.test('resolveInRootfs() refuses a device or a pipe', async (t) => {
  const root = makeRoot(t.testdir(), {});
  const { execFileSync } = await import('node:child_process');
  execFileSync('mkfifo', [join(root, 'pipe')]);
  t.throws(() => resolveInRootfs(root, 'pipe', 'kernel'), {
    message: 'kernel "pipe" in the image is not a regular file',
  });
});
