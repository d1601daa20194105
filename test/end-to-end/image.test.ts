/** Unikernels as images: made, moved and run by the commands below `ucrun image`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { output, run } from './support/command.ts';
import { registry, scratch, ucrun } from './support/environment.ts';
import { runGuest } from './support/guests.ts';
import { get } from './support/http.ts';
import { buildTrackerImage } from './support/images.ts';
import { podman, podmanOutput } from './support/podman.ts';
import { waitFor } from './support/wait.ts';

const folder = join(scratch, 'image-commands');
const hello = join(registry, 'hello/hello.elf');
const size = `${Math.round(statSync(hello).size / 1024)}KiB`;
const cmdline = 'name=hello ip={ipv4}/{ipv4_prefix} gw={ipv4_gateway} port={port} {args}';
const settings = ['--cmdline', cmdline, '--memory', '32MiB', '--port', '8080'];
/** Only the test's own: other tests look at the registry at the same time. */
const name: string = 'image-test';
/** As the support for guests names the samples. */
const service = name as 'hello';

t.before(async () => {
  await buildTrackerImage();
  await mkdir(folder);
});

const image = (...args: readonly string[]) => run(ucrun, ['image', ...args], { cwd: folder });

/** Run a unikernel that is in an image; it ends by itself. */
const runImage = (reference: string, ...args: readonly string[]) =>
  podman(['run', `--runtime=${ucrun}`, '--rm', '--network', 'none', reference, ...args]);

/** An image registry on this environment's loopback. @returns its address */
async function startImageRegistry(t: Test): Promise<string> {
  const address = '127.0.0.1:5000';
  const data = join(folder, 'image-registry');
  await mkdir(data);
  const config = join(folder, 'image-registry.yml');
  await writeFile(
    config,
    `version: 0.1\nstorage: { filesystem: { rootdirectory: ${data} } }\nhttp: { addr: ${address} }\n`,
  );
  const server = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  t.teardown(async () => {
    server.kill('SIGKILL');
    await once(server, 'close');
  });
  await waitFor('the image registry', () => get(`http://${address}/v2/`, 5));
  return address;
}

const skip = existsSync('/usr/bin/docker-registry') ? false : 'docker-registry is not installed';

t.test('a unikernel is added, packed, run, pushed, removed, pulled and run again', { skip }, async (t) => {
  t.teardown(async () => {
    await image('rm', '--force', name, `${name}-2`);
  });
  t.strictSame(await image('add', name, '--guest', 'raw', '--kernel', hello, ...settings), {
    status: 0,
    stdout: `added ${name} (raw, ${size})\n`,
    stderr: '',
  });
  t.match((await image('ls')).stdout, new RegExp(`^${name} +raw +${size} +.* ago +32MiB +8080/tcp$`, 'm'));
  t.match(JSON.parse((await image('inspect', name)).stdout), { name, format: { kind: 'pvh-elf' } });

  const fromRegistry = await runGuest(name, {
    service,
    options: ['--rm', '--network', 'none'],
    args: ['exit=4'],
  });
  t.equal(fromRegistry.status, 4, fromRegistry.stderr);

  const archive = join(folder, `${name}.tar`);
  t.match(await image('pack', name, `localhost/${name}:1`), { status: 0, stderr: '' });
  t.match(await podmanOutput(['load', '--quiet', '--input', archive]), `localhost/${name}:1`);
  t.equal((await image('pack', name, `localhost/${name}:2`, '--load')).status, 0);
  t.match(await output('skopeo', ['inspect', `oci-archive:${archive}`]), /"ucrun\.guest": "raw"/);
  for (const tag of ['1', '2']) {
    const ended = await runImage(`localhost/${name}:${tag}`, 'exit=3');
    t.equal(ended.status, 3, ended.stderr);
    t.match(ended.stdout, /^hello: command line: name=hello port=8080 exit=3\r?$/m);
  }

  const address = await startImageRegistry(t);
  const reference = `${address}/team/${name}:1`;
  t.match(await image('push', name, reference), { status: 1, stderr: /--tls-verify=false/ });
  t.equal((await image('push', name, reference, '--tls-verify=false')).status, 0);
  t.equal((await image('rm', name)).status, 0);
  t.not((await runGuest(name, { service, options: ['--rm', '--network', 'none'] })).status, 0);
  t.match(await image('pull', reference, '--tls-verify=false'), {
    status: 0,
    stdout: `added ${name} (raw, ${size})\n`,
  });
  const again = await runGuest(name, {
    service,
    options: ['--rm', '--network', 'none'],
    args: ['exit=5'],
  });
  t.equal(again.status, 5, again.stderr);
  t.ok((await readFile(join(registry, name, 'kernel'))).equals(await readFile(hello)));

  await podmanOutput(['pull', '--quiet', '--tls-verify=false', reference]);
  t.equal(
    (await runImage(reference, 'exit=6')).status,
    6,
    'an engine runs it without a registry of unikernels',
  );
  t.match(await image('import', `docker://${reference}`, `${name}-2`, '--tls-verify=false'), { status: 0 });
  await podmanOutput(['rmi', '--force', `localhost/${name}:1`, `localhost/${name}:2`, reference]);
});

t.test('a unikernel that a container uses is kept', async (t) => {
  const used = `${name}-used`;
  t.equal((await image('add', used, '--guest', 'raw', '--kernel', hello, ...settings)).status, 0);
  const container = 'uk-image-used';
  t.teardown(async () => {
    await podman(['rm', '--force', '--time', '0', '--ignore', container]);
    await image('rm', '--force', used);
  });
  const id = await podmanOutput([
    ...['run', `--runtime=${ucrun}`, '--detach', '--name', container, '--network', 'none'],
    ...['--env', `SERVICE_NAME=${used}`, 'localhost/ucrun-test-tracker'],
  ]);
  t.match(await image('rm', used), {
    status: 1,
    stdout: '',
    stderr: new RegExp(`^ucrun: container ${id} uses the unikernel "${used}"\nhint: `),
  });
  t.ok(existsSync(join(registry, used, 'kernel')));
  await podmanOutput(['rm', '--force', '--time', '0', container]);
  t.strictSame(await image('rm', used), { status: 0, stdout: `${used}\n`, stderr: '' });
});
