import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, realpathSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { imageFiles, placeInRootfs, resolveInRootfs } from '../../src/host/rootfs-path.ts';

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
  execFileSync('mkfifo', [join(root, 'pipe')]);
  t.throws(() => resolveInRootfs(root, 'pipe', 'kernel'), {
    message: 'kernel "pipe" in the image is not a regular file',
  });
});

t.test('placeInRootfs() says where a path leads to, there or not, and never out', async (t) => {
  const folder = t.testdir();
  const root = makeRoot(folder, {
    data: '/boot',
    away: '../../../../secret',
    host: folder,
    dangling: '/new/place',
    'a/up': '..',
    loop: 'loop',
    ping: 'pong',
    pong: 'ping/x',
    'to-root': '/',
  });
  const cases: readonly [path: string, place: string][] = [
    ['/data', '/boot'],
    ['/data/new/file', '/boot/new/file'],
    ['/new/file', '/new/file'],
    ['/new/../other', '/other'],
    ['/new/../../../other', '/other'],
    ['/dangling', '/new/place'],
    ['/dangling/more', '/new/place/more'],
    ['/a/up/b', '/b'],
    ['/a/b/', '/a/b'],
    ['/away', '/secret'],
    ['/host/secret', `${folder}/secret`],
    ['/../../etc/shadow', '/etc/shadow'],
    ['/kernel/below/a/file', '/kernel/below/a/file'],
    [`/${'x'.repeat(300)}`, `/${'x'.repeat(300)}`],
    ['/', ''],
    ['', ''],
    ['/to-root', ''],
    ['/to-root/../..', ''],
  ];
  for (const [path, place] of cases) t.equal(placeInRootfs(root, path), `${root}${place}`, path);
  for (const path of ['/loop', '/loop/x', '/ping', '/data/../ping'])
    t.equal(placeInRootfs(root, path), undefined, path);
});

t.test("placeInRootfs() of the host's own root is the host's path", async (t) => {
  const folder = realpathSync(t.testdir({ inside: {} }));
  symlinkSync('inside', join(folder, 'link'));
  t.equal(placeInRootfs('', `${folder}/link/new`), `${folder}/inside/new`);
  t.equal(placeInRootfs('', `${folder}/new/../../x`), join(folder, '../x'));
  t.equal(placeInRootfs('', '/../..'), '');
});

t.test('imageFiles() reads files of an image as a chrooted process would', async (t) => {
  const folder = t.testdir();
  const root = makeRoot(folder, {
    'ucrun.json': '/boot/vmlinuz',
    'inner-way': 'a/../../boot/./vmlinuz',
    'urunc.json': join(folder, 'secret'),
    up: '../secret',
    'host-folder': folder,
    loop: 'loop',
    dangling: '/nowhere',
    'to-folder': '/boot',
  });
  const image = imageFiles(root);
  for (const [path, text] of [
    ['/kernel', 'kernel'],
    ['kernel', 'kernel'],
    ['/../../kernel', 'kernel'],
    ['/ucrun.json', 'boot/vmlinuz'],
    ['/inner-way', 'boot/vmlinuz'],
    ['/to-folder/vmlinuz', 'boot/vmlinuz'],
  ] as const) {
    t.equal(image.isFile(path), true, path);
    t.equal(image.readText(path), text, path);
  }
  const none = [
    '/nowhere',
    '/nowhere/kernel',
    '/kernel/x',
    '/urunc.json',
    '/up',
    '/host-folder/secret',
    '/loop',
    '/dangling',
    '/boot',
    '/to-folder',
    '/',
    '',
    '/../secret',
  ];
  for (const path of none) {
    t.equal(image.isFile(path), false, path);
    t.equal(image.readText(path), undefined, path);
  }
});

t.test('imageFiles() reads a file up to its limit, and refuses one beyond', async (t) => {
  const root = makeRoot(t.testdir(), {});
  const limit = 64 * 1024;
  writeFileSync(join(root, 'most'), 'x'.repeat(limit));
  writeFileSync(join(root, 'more'), 'x'.repeat(limit + 1));
  writeFileSync(join(root, 'sparse'), '');
  truncateSync(join(root, 'sparse'), 2 ** 40);
  writeFileSync(join(root, 'empty'), '');
  writeFileSync(join(root, 'wide'), 'é');
  const image = imageFiles(root);
  t.equal(image.readText('/most')?.length, limit);
  t.equal(image.readText('/empty'), '');
  t.equal(image.readText('/wide'), 'é');
  for (const [name, size] of [
    ['/more', limit + 1],
    ['/sparse', 2 ** 40],
  ] as const) {
    t.equal(image.isFile(name), true, 'its size does not matter to who only asks whether it is there');
    t.throws(
      () => image.readText(name),
      {
        code: 'UNIKERNEL_INVALID',
        message: `"${name}" in the image has ${size} bytes`,
        hint: `it can have up to ${limit}`,
      },
      name,
    );
  }
});

t.test('imageFiles() opens no pipe and no device', async (t) => {
  const root = makeRoot(t.testdir(), { 'linked-pipe': 'pipe', 'to-device': '/null' });
  // To open a pipe that nobody writes to would wait for ever.
  execFileSync('mkfifo', [join(root, 'pipe')]);
  const made = spawnSync('mknod', [join(root, 'null'), 'c', '1', '3']).status === 0;
  const image = imageFiles(root);
  for (const path of ['/pipe', '/linked-pipe', ...(made ? ['/null', '/to-device'] : [])]) {
    t.equal(image.isFile(path), false, path);
    t.equal(image.readText(path), undefined, path);
  }
});

t.test('imageFiles() of a root that is not there has none', async (t) => {
  for (const root of [undefined, join(t.testdir(), 'nowhere')]) {
    t.equal(imageFiles(root).isFile('/etc/passwd'), false, String(root));
    t.equal(imageFiles(root).readText('/etc/passwd'), undefined, String(root));
  }
});
