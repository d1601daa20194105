/** Directories that a Linux guest has over virtiofs, from a virtiofsd in its sandbox. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { quote, run } from './support/command.ts';
import { registry, repository, scratch, ucrun } from './support/environment.ts';
import { processesOf, runGuest, startGuest } from './support/guests.ts';
import { buildTrackerImage } from './support/images.ts';
import { inspect, podman, podmanOutput } from './support/podman.ts';

const virtiofsd = [
  join(repository, 'build/virtiofsd/bin/virtiofsd'),
  '/usr/libexec/virtiofsd',
  '/usr/lib/virtiofsd',
].find(existsSync);
const skip = virtiofsd === undefined ? 'no virtiofsd is installed, and hack/virtiofsd.sh built none' : false;

const folder = join(scratch, 'virtiofs');
const runtime = join(folder, 'ucrun-virtiofs');
const overVirtiofs = ['--runtime', runtime, '--annotation', 'ucrun.share=virtiofs'];

t.before(async () => {
  await buildTrackerImage();
  await mkdir(folder);
  const config = join(folder, 'config.toml');
  const setting = virtiofsd === undefined ? '' : `vmm.virtiofsd = ${JSON.stringify(virtiofsd)}\n`;
  await writeFile(
    config,
    `registries = [${JSON.stringify(registry)}]\noverlay_dir = ${JSON.stringify(join(folder, 'overlays'))}\n${setting}`,
  );
  const script = ['#!/bin/sh', `export UCRUN_CONFIG=${quote(config)}`, `exec ${quote(ucrun)} "$@"`, ''];
  await writeFile(runtime, script.join('\n'), { mode: 0o755 });
});

async function makeShare(name: string): Promise<string> {
  const share = join(folder, name);
  await mkdir(share);
  await writeFile(join(share, 'of-host'), 'host\n');
  return share;
}

const shell = (script: string, ...options: readonly string[]) =>
  ({ service: 'linux', options: ['--rm', ...overVirtiofs, ...options], args: ['sh', '-c', script] }) as const;

t.test('a guest reads and writes a directory, within its memory limit', { skip }, async (t) => {
  const share = await makeShare('rw');
  const script = 'grep -c virtiofs /proc/mounts; cat /data/of-host; echo guest >/data/of-guest; exit 3';
  const guest = shell(script, '-v', `${share}:/data`, '--memory', '256m');
  const { status, stdout, stderr } = await runGuest('vf-rw', guest);
  t.match({ status, stdout, stderr }, { status: 3, stdout: /^1\r?\nhost\r?\n$/, stderr: '' });
  t.equal(await readFile(join(share, 'of-guest'), 'utf8'), 'guest\n');
  t.equal((await stat(join(share, 'of-guest'))).uid, 0, "the container's user has written it");
});

t.test('read-only is read-only, and one file is that file alone', { skip }, async (t) => {
  const share = await makeShare('ro');
  const script = 'echo x >/data/new; cat /etc/one; ls /data';
  const guest = shell(script, '-v', `${share}:/data:ro`, '-v', `${share}/of-host:/etc/one`);
  const { status, stdout } = await runGuest('vf-ro', guest);
  t.equal(status, 0);
  t.match(stdout, /Read-only file system\r?\nhost\r?\nof-host\r?\n$/);
  t.notOk(existsSync(join(share, 'new')));
});

t.test('a stop ends guest and server; a server that dies ends the guest', { skip }, async (t) => {
  const share = await makeShare('ends');
  const options = [...overVirtiofs, '-v', `${share}:/data`];
  await startGuest(t, 'vf-stop', { service: 'linux', options });
  t.equal((await podman(['stop', 'vf-stop'])).status, 0);
  t.equal(await inspect('vf-stop', '{{.State.ExitCode}}'), '0');

  await startGuest(t, 'vf-dies', { service: 'linux', options });
  const server = [...(await processesOf('vf-dies'))].find(([, program]) => program === 'virtiofsd');
  t.ok(server !== undefined, 'it runs in the sandbox');
  process.kill(server?.[0] as number, 'SIGKILL');
  t.equal(await podmanOutput(['wait', 'vf-dies']), '125');
  t.match((await podman(['logs', 'vf-dies'])).stderr, /^ucrun: virtiofsd ended before the guest$/m);
});

t.test('a host without virtiofsd is told what to do', async (t) => {
  const config = join(folder, 'without.toml');
  await writeFile(
    config,
    `registries = [${JSON.stringify(registry)}]\nvmm.virtiofsd = "/nowhere/virtiofsd"\n`,
  );
  const without = join(folder, 'ucrun-without');
  const script = `#!/bin/sh\nUCRUN_CONFIG=${quote(config)} exec ${quote(ucrun)} "$@"\n`;
  await writeFile(without, script, { mode: 0o755 });
  const share = await makeShare('without');
  const guest = shell('true', '--runtime', without, '-v', `${share}:/data`);
  const { status, stderr } = await runGuest('vf-without', guest);
  t.not(status, 0);
  t.match(stderr, /virtiofsd is missing: the configuration says "\/nowhere\/virtiofsd"/);
  t.equal((await run('podman', ['container', 'exists', 'vf-without'])).status, 1);
});
