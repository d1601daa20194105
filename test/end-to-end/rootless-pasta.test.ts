/** podman 5 without root, in a system of its own: its networks are pasta, which is its default, and slirp4netns. */
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import t, { type Test } from 'tap';
import { output } from './support/command.ts';
import { scratch } from './support/environment.ts';
import { buildTrackerImage, trackerImage } from './support/images.ts';
import { BootedSystem, ordinaryUser, systemdIsMissing } from './support/systemd-tree.ts';
import { waitFor } from './support/wait.ts';

const body = 'from outside\n';
const outside = 'http://192.0.2.1:8000/';
const runtimeDirectory = `/run/user/${ordinaryUser.uid}`;

/** Put what the system's interface leads to into a namespace of its own, with a server in it. */
async function serveOutside(system: BootedSystem): Promise<void> {
  await system.output(['ip', 'netns', 'add', 'outside']);
  await system.output(['ip', 'link', 'set', 'wire', 'netns', 'outside']);
  await system.output(['ip', '-n', 'outside', 'address', 'add', '192.0.2.1/24', 'dev', 'wire']);
  await system.output(['ip', '-n', 'outside', 'link', 'set', 'wire', 'up']);
  const script = `#!/bin/sh\nread -r request\nprintf 'HTTP/1.0 200 OK\\r\\n\\r\\n'\necho '${body.trimEnd()}'\n`;
  await writeFile(system.path('/usr/local/bin/answer'), script, { mode: 0o755 });
  const listen = ['TCP-LISTEN:8000,reuseaddr,fork', 'EXEC:/usr/local/bin/answer'];
  const server = ['ip', 'netns', 'exec', 'outside', 'socat', ...listen];
  await system.output(['systemd-run', '--quiet', '--unit=outside', '--', ...server]);
  await waitFor('the server outside', async () => {
    const { stdout } = await system.run(['curl', '--silent', '--max-time', '5', outside]);
    return stdout === body;
  });
}

/** What is left of a container of the user's: its processes and whatever ucrun and crun keep of it. */
async function leftOf(system: BootedSystem, id: string): Promise<string> {
  const processes = await system.run(['pgrep', '--list-full', `qemu-system|pasta|slirp4netns|${id}`]);
  const folders = ['ucrun', 'crun'].map((name) => `${runtimeDirectory}/${name}`);
  const files = await system.run(['find', ...folders, '-name', `*${id}*`]);
  return processes.stdout + files.stdout;
}

interface Row {
  readonly name: string;
  readonly options: readonly string[];
  /** The program that carries the network. */
  readonly helper: string;
}

const rows: readonly Row[] = [
  { name: 'pasta', options: [], helper: 'pasta' },
  { name: 'slirp', options: ['--network', 'slirp4netns'], helper: 'slirp4netns' },
];

async function checkRow(t: Test, system: BootedSystem, { name, options, helper }: Row): Promise<void> {
  const podman = (...args: readonly string[]) => system.outputAsUser(['podman', '--runtime=ucrun', ...args]);
  const published = ['--publish', '18080:8080', '--env', 'SERVICE_NAME=hello'];
  // In a scope, which stays as long as anything in it, as a login's does: a service would take the network with it as it ends.
  const id = await system.outputAsUser([
    ...['systemd-run', '--user', '--scope', '--quiet', '--', 'podman', '--runtime=ucrun'],
    ...['run', '--detach', '--name', name, ...options, ...published, trackerImage],
  ]);
  const ask = (path: string) =>
    waitFor(
      `an answer to ${path}`,
      async () => {
        const url = `http://127.0.0.1:18080${path}`;
        const { status, stdout } = await system.run(['curl', '--silent', '--max-time', '10', url]);
        return status === 0 && stdout;
      },
      90,
    );
  t.match(JSON.parse(await ask('/')), { name: 'hello' }, 'it answers on its published port');
  t.equal((await system.run(['pgrep', helper])).status, 0, `the network is ${helper}'s`);
  const qemu = await system.output(['pgrep', '--newest', 'qemu-system']);
  const owner = Number(await system.output(['stat', '--format=%u', `/proc/${qemu}`]));
  t.ok(owner >= 65536, 'QEMU is one of the subordinate users');

  const sum = crc32(body).toString(16).padStart(8, '0');
  t.equal(
    (await ask(`/fetch?url=${outside}`)).trimEnd(),
    `got ${outside} 200, ${body.length} bytes, sum ${sum}`,
    'it reaches what is outside',
  );
  t.match(
    await leftOf(system, id),
    new RegExp(`${runtimeDirectory}/ucrun/.*${id}`),
    'what is looked for at the end',
  );

  await podman('stop', '--time=60', name);
  t.equal(await podman('inspect', '--format={{.State.Status}} {{.State.ExitCode}}', name), 'exited 0');
  await podman('rm', name);
  await waitFor('nothing to be left', async () => (await leftOf(system, id)) === '').catch(async () => {
    t.equal(await leftOf(system, id), '', 'nothing is left');
  });
}

t.test(
  'a unikernel container of an ordinary user',
  { skip: systemdIsMissing, timeout: 280_000 },
  async (t) => {
    await buildTrackerImage();
    const archive = join(scratch, 'rp-tracker.tar');
    await output('podman', ['save', '--quiet', '--output', archive, trackerImage]);
    const system = await BootedSystem.boot(t, 'rp-system');
    await system.startUserManager();
    await serveOutside(system);
    await copyFile(archive, system.path('/tmp/tracker.tar'));
    await system.outputAsUser(['podman', 'load', '--quiet', '--input', '/tmp/tracker.tar']);
    for (const row of rows) await t.test(row.name, (t) => checkRow(t, system, row));
  },
);
