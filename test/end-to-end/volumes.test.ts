/** Volumes and disks of Linux guests, as podman's users have them. What a guest writes is looked at on the host, and the reverse. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { output } from './support/command.ts';
import { registry, scratch } from './support/environment.ts';
import {
  addressOf,
  type GuestOptions,
  removeAtEnd,
  runArgs,
  runGuest,
  startGuest,
} from './support/guests.ts';
import { firstAnswer } from './support/http.ts';
import { buildPlainImage, buildTrackerImage, fillRootfs, plainImage } from './support/images.ts';
import { tracesOf } from './support/leftovers.ts';
import { podman, podmanOutput } from './support/podman.ts';

t.before(async () => {
  await buildPlainImage();
  await buildTrackerImage();
});

/** A directory that anybody may go into. */
async function makeFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(scratch, `${name}-`));
  await chmod(folder, 0o755);
  return folder;
}

/** A guest without a network that runs a shell script. The kernel cannot be told of a double quote. */
function shell(script: string, options: readonly string[], service: GuestOptions['service'] = 'linux') {
  return {
    service,
    options: ['--rm', '--network', 'none', ...options],
    args: ['sh', '-c', script],
  } satisfies GuestOptions;
}

function inImage(...words: readonly string[]): Pick<GuestOptions, 'service' | 'image' | 'args'> {
  return { service: 'linux-9p', image: plainImage, args: words };
}

const lines = (text: string) => text.replaceAll('\r', '').trimEnd().split('\n');

t.test('a directory of the host is a directory of the guest', async (t) => {
  const folder = await makeFolder('data');
  await writeFile(join(folder, 'greeting'), 'good day\n');
  const script = [
    'cat /data/greeting',
    'echo answer >/data/deep.txt',
    'mkdir -m 750 /data/some',
    'ln -s ../greeting /data/some/link',
    "echo odd >'/data/some/ a b:ü'",
    'chmod 4711 /data/deep.txt',
    'dd if=/dev/zero of=/data/large bs=1M count=50 2>/dev/null',
    'mv /data/greeting /data/moved',
    'env',
  ].join('; ');
  const { status, stdout, stderr } = await runGuest('vo-folder', shell(script, ['-v', `${folder}:/data`]));
  t.equal(status, 0);
  t.equal(stderr, '');
  const [first, ...environment] = lines(stdout);
  t.equal(first, 'good day');
  t.notOk(
    environment.find((entry) => entry.startsWith('UCRUN_')),
    'the program is not told how',
  );

  t.strictSame((await readdir(folder)).sort(), ['deep.txt', 'large', 'moved', 'some']);
  t.equal(await readFile(join(folder, 'deep.txt'), 'utf8'), 'answer\n');
  t.equal((await stat(join(folder, 'deep.txt'))).mode & 0o7777, 0o4711);
  t.equal((await stat(join(folder, 'some'))).mode & 0o777, 0o750);
  t.equal(await readlink(join(folder, 'some/link')), '../greeting');
  t.equal(await readFile(join(folder, 'some', ' a b:ü'), 'utf8'), 'odd\n');
  t.equal((await stat(join(folder, 'large'))).size, 50 << 20);
  t.equal((await stat(join(folder, 'large'))).uid, 0, "the files are the container's user's");
});

t.test("what a guest writes belongs to the container's user", async (t) => {
  const folder = await makeFolder('owned');
  await chown(folder, 1000, 1001);
  const options = ['--user', '1000:1001', '-v', `${folder}:/data`];
  const { status } = await runGuest('vo-owner', shell('mkdir /data/d && echo x >/data/d/f', options));
  t.equal(status, 0);
  for (const path of ['d', 'd/f']) {
    const { uid, gid } = await stat(join(folder, path));
    t.strictSame([uid, gid], [1000, 1001], path);
  }
  await mkdir(join(folder, 'closed'), { mode: 0o700 });
  const closed = await runGuest('vo-closed', shell('echo x >/data/closed/f', options));
  t.not(closed.status, 0, "the guest's root is not the host's");
  t.strictSame(await readdir(join(folder, 'closed')), []);
});

t.test(':ro is for the host to enforce', async (t) => {
  const folder = await makeFolder('read-only');
  await writeFile(join(folder, 'file'), 'as it was\n');
  const script = [
    'echo first >/data/file',
    'umount /data && mount -t 9p -o trans=virtio,version=9p2000.L,rw fs1 /data && cat /data/file',
    'echo second >/data/file',
    'echo third >/data/new',
    'rm /data/file',
  ].join('; ');
  const { status, stdout } = await runGuest('vo-ro', shell(script, ['-v', `${folder}:/data:ro`]));
  t.not(status, 0);
  t.match(stdout, /^as it was\r?$/m, 'the guest has mounted it for writing');
  t.equal(stdout.match(/Read-only file system/g)?.length, 4, stdout);
  t.strictSame(await readdir(folder), ['file']);
  t.equal(await readFile(join(folder, 'file'), 'utf8'), 'as it was\n');
});

t.test('a named volume outlives a guest, and other containers have it, too', async (t) => {
  const name = 'vo-named';
  t.teardown(() => podman(['volume', 'rm', '--force', name]));
  const options = ['-v', `${name}:/var/lib/app`];
  for (const word of ['one', 'two']) {
    const script = `echo ${word} >>/var/lib/app/log`;
    t.equal((await runGuest(name, shell(script, options))).status, 0);
  }
  const log = await podmanOutput(['run', '--rm', ...options, plainImage, 'cat', '/var/lib/app/log']);
  t.equal(log, 'one\ntwo');
});

t.test('a single file is a volume, and nothing beside it', async (t) => {
  const folder = await makeFolder('file');
  await writeFile(join(folder, 'app.conf'), 'a = 1\n');
  await writeFile(join(folder, 'neighbour'), 'unseen\n');
  const options = ['-v', `${join(folder, 'app.conf')}:/etc/app/app.conf`];
  const script = 'cat /etc/app/app.conf; echo b = 2 >>/etc/app/app.conf; ls /etc/app; find / -name neighbour';
  const { status, stdout } = await runGuest('vo-file', shell(script, options));
  t.equal(status, 0);
  t.strictSame(lines(stdout), ['a = 1', 'app.conf']);
  t.equal(await readFile(join(folder, 'app.conf'), 'utf8'), 'a = 1\nb = 2\n');
});

t.test('a secret is where a container has it', async (t) => {
  const file = join(await makeFolder('secret'), 'file');
  await writeFile(file, 'p4ssword');
  await podmanOutput(['secret', 'create', 'vo-secret', file]);
  t.teardown(() => podman(['secret', 'rm', 'vo-secret']));
  for (const guest of [
    shell('cat /run/secrets/vo-secret', ['--secret', 'vo-secret']),
    { ...inImage('cat', '/run/secrets/vo-secret'), options: ['--rm', '--secret', 'vo-secret'] },
  ]) {
    const { status, stdout } = await runGuest('vo-secret', guest);
    t.equal(status, 0);
    t.equal(stdout.trimEnd(), 'p4ssword', guest.service);
  }
});

t.test('a tmpfs is one in the guest, also below a read-only root', async (t) => {
  const script = 'echo x >/cache/x && grep -c "^tmpfs /cache tmpfs rw" /proc/mounts'.replaceAll('"', "'");
  for (const options of [
    ['--tmpfs', '/cache'],
    ['--read-only', '--tmpfs', '/cache:size=1m'],
  ]) {
    const { status, stdout, stderr } = await runGuest('vo-tmpfs', {
      service: 'linux',
      options: ['--rm', ...options],
      args: ['sh', '-c', script],
    });
    t.match({ status, stdout, stderr }, { status: 0, stdout: /^1\r?\n$/, stderr: '' }, options.join(' '));
  }
});

t.test('a disk image is a volume', async (t) => {
  const folder = await makeFolder('disk');
  const image = join(folder, 'data.img');
  await mkdir(join(folder, 'content'));
  await writeFile(join(folder, 'content/greeting'), 'good day\n');
  await output('mke2fs', ['-q', '-t', 'ext4', '-d', join(folder, 'content'), image, '16M']);
  const options = ['-v', `${image}:/data`];
  // The program leaves a writer behind, which must not keep the file system from a clean end.
  const script = 'cat /data/greeting; echo answer >/data/answer; sleep 100 >/data/busy & mount | grep /data';
  for (const service of ['linux', 'linux-disk'] as const) {
    const { status, stdout } = await runGuest('vo-disk', shell(script, options, service));
    t.equal(status, 0, service);
    t.match(stdout, /^good day\r?$/m);
    t.match(stdout, service === 'linux' ? '/dev/vda on /data type ext4' : '/dev/vdb on /data type ext4');
    t.equal(await output('debugfs', ['-R', 'cat /answer', image]), 'answer\n');
    t.match(await output('dumpe2fs', ['-h', image]), /^Filesystem state: +clean$/m);
    await output('e2fsck', ['-fn', image]);
    await output('debugfs', ['-w', '-R', 'rm /answer', image]);
  }
  const readOnly = await runGuest('vo-disk', shell('echo x >/data/x', ['-v', `${image}:/data:ro`]));
  t.not(readOnly.status, 0);
  t.match(readOnly.stdout, 'Read-only file system');
});

t.test('a volume that cannot be mounted ends the guest', async (t) => {
  const image = join(await makeFolder('no-disk'), 'data.img');
  await writeFile(image, Buffer.alloc(1 << 20));
  const { status, stdout } = await runGuest('vo-broken', shell('echo ran', ['-v', `${image}:/data`]));
  t.equal(status, 125);
  t.match(stdout, /^linux: cannot mount volume \/dev\/vda:\/data:rw: no file system/);
});

t.test('a guest with its root on a disk serves, and forgets what it wrote', async (t) => {
  const name = 'vo-root';
  const folder = await makeFolder('beside');
  await startGuest(t, name, {
    service: 'linux-disk',
    options: ['--hostname', 'on-disk', '-v', `${folder}:/data`],
  });
  t.match(await firstAnswer(`http://${await addressOf(name)}:8080/`), /"on-disk"/);
  t.equal((await podman(['stop', name])).status, 0);
  t.equal(await podmanOutput(['container', 'inspect', '--format', '{{.State.ExitCode}}', name]), '0');

  const script = 'mount | sed -n 1p; cat /kept; echo x >/kept; echo y >/data/kept; exit 3';
  for (let time = 0; time < 2; time++) {
    const again = await runGuest(`${name}-again`, shell(script, ['-v', `${folder}:/data`], 'linux-disk'));
    t.equal(again.status, 3);
    t.match(again.stdout, /^\/dev\/vda on \/ type ext4 \(rw\b/);
    t.match(again.stdout, /can't open '\/kept'/);
  }
  t.equal(await readFile(join(folder, 'kept'), 'utf8'), 'y\n');
});

t.test(
  'ten guests run from one disk image at once, and it stays as it is',
  { timeout: 240_000 },
  async (t) => {
    const image = join(registry, 'linux-disk/root.img');
    const before = await checksum(image);
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, index) => {
        const script = `cat /mine 2>/dev/null; echo guest ${index} >/mine; sync; cat /mine; exit ${index}`;
        const options = ['--memory', '512m'];
        return runGuest(`vo-ten-${index}`, shell(script, options, 'linux-disk'), { timeoutSeconds: 200 });
      }),
    );
    for (const [index, { status, stdout }] of outcomes.entries()) {
      t.strictSame({ status, stdout: lines(stdout) }, { status: index, stdout: [`guest ${index}`] });
    }
    t.equal(await checksum(image), before);
  },
);

async function checksum(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest('hex');
}

t.test("an image's own program runs on the container's root file system", async (t) => {
  const name = 'vo-image';
  const folder = await makeFolder('inside');
  await writeFile(join(folder, 'input'), 'from the host\n');
  const script = [
    'grep -o ^fs0./.9p /proc/mounts',
    'grep -c user /etc/passwd',
    'echo $GREETING; hostname',
    'cat /data/input; echo output >/data/output',
    'mkdir /tmp/made; echo x >/tmp/made/file',
    'exit 42',
  ].join('; ');
  const { status, stdout, stderr } = await runGuest(name, {
    ...inImage('sh', '-c', script),
    options: ['--hostname', 'inside', '--env', 'GREETING=good day', '-v', `${folder}:/data`],
  });
  removeAtEnd(t, name, await tracesOf(name));
  t.equal(status, 42);
  t.equal(stderr, '');
  t.strictSame(lines(stdout), ['fs0 / 9p', '1', 'good day', 'inside', 'from the host']);
  t.equal(await readFile(join(folder, 'output'), 'utf8'), 'output\n');
  const changes = lines(await podmanOutput(['diff', name]));
  t.ok(changes.includes('A /tmp/made/file'), "what it wrote is in the container's own layer");

  const next = await runGuest(`${name}-next`, { ...inImage('ls', '/tmp/made'), options: ['--rm'] });
  t.not(next.status, 0, "and not in the image's");
});

t.test("an image without places for what is the kernel's gets them", async (t) => {
  const bare = 'localhost/ucrun-test-bare';
  const folder = await makeFolder('bare');
  await fillRootfs(folder);
  const file = ['FROM scratch', 'COPY bin /bin', 'COPY etc /etc', 'ENV PATH=/bin', ''].join('\n');
  await writeFile(join(folder, 'Containerfile'), file);
  await output('podman', ['build', '--quiet', '--tag', bare, folder]);
  t.teardown(() => podman(['rmi', '--force', bare]));
  const script = 'ls -1 -d /proc/1 /sys/kernel /dev/null';
  const { status, stdout } = await runGuest('vo-bare', {
    ...inImage('sh', '-c', script),
    image: bare,
    options: ['--rm', '--network', 'none'],
  });
  t.equal(status, 0, stdout);
  t.strictSame(lines(stdout).sort(), ['/dev/null', '/proc/1', '/sys/kernel']);
});

t.test("an image's server is reached, and stops", async (t) => {
  const name = 'vo-server';
  const server = inImage('httpd', '-f', '-p', '8080', '-h', '/etc');
  await podmanOutput(runArgs(name, { ...server, options: ['--detach'] }));
  removeAtEnd(t, name, await tracesOf(name));
  t.match(await firstAnswer(`http://${await addressOf(name)}:8080/passwd`), /^root:x:0:0:/m);
  t.equal((await podman(['stop', name])).status, 0);
  t.equal(await podmanOutput(['container', 'inspect', '--format', '{{.State.ExitCode}}', name]), '143');
});

t.test('an image without such a program', async (t) => {
  const missing = await runGuest('vo-missing', { ...inImage('not-there'), options: ['--rm'] });
  t.equal(missing.status, 127);
  t.match(missing.stdout, /^linux: there is no program not-there\r?\n$/);
});
