import { once } from 'node:events';
import {
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { setting } from './support.ts';

const add = [
  'add',
  'hello',
  '--guest',
  'raw',
  '--kernel',
  'kernel.elf',
  '--port',
  '8080',
  '--cmdline',
  'x {args}',
];

t.test('what was packed can be imported again, from an archive and from a layout', async (t) => {
  const { folder, registry, image } = setting(t);
  t.equal((await image(...add)).status, 0);
  const packed = await image('pack', 'hello', 'localhost/hello:1', '--json');
  t.match(packed, { status: 0, stderr: '' });
  const { digest, output } = JSON.parse(packed.stdout);
  t.equal(output, 'hello.tar');
  t.match(await image('pack', 'hello', 'localhost/hello:1', '--output', 'layout/'), {
    status: 0,
    stdout: `packed hello as localhost/hello:1 into layout/ (${digest})\n`,
  });
  t.match(await image('pack', 'hello', 'x', '-o', 'layout'), {
    status: 1,
    stderr: /directory "layout" is not empty/,
  });
  t.match(await image('pack', 'hello', 'x', '-o', 'none/x.tar'), {
    status: 1,
    stderr: /directory ".*none" is missing/,
  });
  t.match(await image('pack', 'hello', 'a b'), { status: 1, stderr: /"a b" is no reference to an image/ });
  for (const source of ['hello.tar', 'layout']) {
    t.match(await image('import', source, 'copy', '--replace'), {
      status: 0,
      stdout: /^added copy/,
      stderr: '',
    });
    for (const file of ['kernel', 'unikernel.json'])
      t.ok(
        readFileSync(join(registry, 'copy', file)).equals(readFileSync(join(registry, 'hello', file))),
        file,
      );
  }
  t.match(JSON.parse((await image('inspect', 'hello.tar')).stdout), {
    kind: 'oci-archive',
    digest,
    maker: 'ucrun',
    definition: { kernel: '/unikernel/kernel', cmdline: 'x {args}' },
  });
  t.strictSame(
    readdirSync(folder).filter((name) => name.startsWith('.')),
    [],
    'nothing is left beside it',
  );
});

t.test('the same unikernel makes the same image', async (t) => {
  const digests = new Set<string>();
  for (const place of ['one', 'two'])
    await t.test(`in place ${place}`, async (t) => {
      const { image } = setting(t);
      await image(...add);
      digests.add(JSON.parse((await image('pack', 'hello', 'x', '--json')).stdout).digest);
    });
  t.equal(digests.size, 1);
});

/** A disk that takes a while: not only holes. */
function bigDisk(path: string): void {
  const fd = openSync(path, 'w');
  const noise = Buffer.alloc(1024 * 1024, 'not the easiest thing to compress 0123456789');
  for (let index = 0; index < 200; index++) writeSync(fd, noise);
  truncateSync(path, 512 * 1024 * 1024);
}

t.test('a signal ends a command, and nothing of it stays', async (t) => {
  const { folder, registry, image, start, endOf } = setting(t);
  bigDisk(join(folder, 'big.img'));
  t.equal(
    (await image('add', 'hello', '--guest', 'raw', '--kernel', 'kernel.elf', '--disk', 'big.img')).status,
    0,
  );
  t.equal((await image('pack', 'hello', 'x', '-o', 'whole.tar')).status, 0);
  const before = readdirSync(folder).sort();
  for (const [args, signal, status] of [
    [['pack', 'hello', 'x', '-o', 'half.tar'], 'SIGINT', 130],
    [['import', 'whole.tar', 'half'], 'SIGTERM', 143],
    [['add', 'half', '--guest', 'raw', '--kernel', 'kernel.elf', '--disk', 'big.img'], 'SIGHUP', 129],
  ] as const) {
    const child = start(...args);
    const ending = endOf(child);
    const isAtWork = () =>
      [folder, registry].some((path) => readdirSync(path).some((name) => name.startsWith('.')));
    while (!isAtWork() && child.exitCode === null) await delay(5);
    child.kill(signal);
    t.strictSame(
      await ending,
      { status, stdout: '', stderr: `ucrun: interrupted by ${signal}\n` },
      args.join(' '),
    );
    t.strictSame(readdirSync(registry), ['hello']);
    t.strictSame(readdirSync(folder).sort(), before);
  }
});

t.test('a command that was killed leaves no half unikernel, and its remains go with the next', async (t) => {
  const { folder, registry, image, start } = setting(t);
  bigDisk(join(folder, 'big.img'));
  const child = start('add', 'half', '--guest', 'raw', '--kernel', 'kernel.elf', '--disk', 'big.img');
  const isStaged = () =>
    readdirSync(registry).some((name) => existsSync(join(registry, name, 'entry/disk1.img')));
  while (!isStaged() && child.exitCode === null) await delay(5);
  child.kill('SIGKILL');
  await once(child, 'close');
  t.match(readdirSync(registry), [/^\.new-/]);
  t.match(JSON.parse((await image('ls', '--json')).stdout), []);
  t.equal((await image('add', 'whole', '--guest', 'raw', '--kernel', 'kernel.elf')).status, 0);
  t.strictSame(readdirSync(registry), ['whole']);
});

t.test('several at once do not disturb each other', async (t) => {
  const { registry, image } = setting(t);
  const names = Array.from({ length: 6 }, (_, index) => `n${index}`);
  const results = await Promise.all(
    [...names, 'same', 'same', 'same'].map((name) =>
      image('add', name, '--guest', 'raw', '--kernel', 'kernel.elf'),
    ),
  );
  t.equal(results.filter(({ status }) => status === 0).length, names.length + 1);
  t.strictSame(readdirSync(registry).sort(), [...names, 'same']);
});

t.test("import takes a path in skopeo's words from where it was called", async (t) => {
  const { folder, image } = setting(t);
  const skopeo = '#!/bin/sh\necho "$*" >"$HOME/called"\nexit 1\n';
  writeFileSync(join(folder, 'bin/skopeo'), skopeo, { mode: 0o755 });
  t.equal((await image('import', 'oci-archive:hello.tar')).status, 1);
  const called = readFileSync(join(folder, 'home/called'), 'utf8');
  t.ok(called.includes(` oci-archive:${folder}/hello.tar oci:`), called);
});

t.test('what skopeo has to say is passed on', async (t) => {
  const { folder, registry, image } = setting(t);
  await image(...add);
  const says = (message: string) =>
    writeFileSync(
      join(folder, 'bin/skopeo'),
      `#!/bin/sh\necho 'time="x" level=fatal msg="${message}"' >&2\nexit 1\n`,
      {
        mode: 0o755,
      },
    );
  says('no \\"luck\\"');
  t.strictSame(await image('push', 'hello', 'h/hello:1'), {
    status: 1,
    stdout: '',
    stderr: 'ucrun: copying the image to "docker://h/hello:1" failed\nhint: skopeo says: no "luck"\n',
  });
  says('no \\x1b[1mluck');
  t.match(await image('push', 'hello', 'h/hello:1'), {
    stderr: 'failed\nhint: skopeo says: no \\x1b[1mluck\n',
  });
  says('http: server gave HTTP response to HTTPS client');
  t.match(await image('pull', 'h/hello:1', 'other'), {
    status: 1,
    stderr:
      /^ucrun: looking for the image "docker:\/\/h\/hello:1" failed\nhint: .*; --tls-verify=false allows/,
  });
  t.strictSame(readdirSync(registry), ['hello']);
});

t.test('a signal ends skopeo, too', async (t) => {
  const { folder, registry, start, endOf } = setting(t);
  const pidFile = join(folder, 'pid');
  writeFileSync(join(folder, 'bin/skopeo'), `#!/bin/sh\necho $$ >${pidFile}\nexec sleep 60\n`, {
    mode: 0o755,
  });
  const child = start('pull', 'h/hello:1');
  const ending = endOf(child);
  const pid = () => (existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0);
  while (pid() === 0 && child.exitCode === null) await delay(5);
  child.kill('SIGTERM');
  t.strictSame(await ending, { status: 143, stdout: '', stderr: 'ucrun: interrupted by SIGTERM\n' });
  t.throws(() => process.kill(pid(), 0), { code: 'ESRCH' });
  t.strictSame(readdirSync(registry), []);
});
