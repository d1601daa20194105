import { existsSync, readFileSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type CommandOptions, type Outcome, output, run } from './command.ts';
import type { Engine } from './engine.ts';
import { registry, scratch, ucrun } from './environment.ts';
import { waitFor } from './wait.ts';

/** podman as an ordinary user has it. */
export interface Rootless extends Engine {
  readonly uid: number;
  /** Run any program as that user. */
  runAs(program: string, args: readonly string[], options?: CommandOptions): Promise<Outcome>;
  /** Give the user images that root's podman has. */
  load(...images: readonly string[]): Promise<void>;
  /** Remove all containers and the user. @throws Error if a process of the user's is left */
  stop(): Promise<void>;
}

/** Why there can be no rootless podman here; false if there can. */
export const noRootless: string | false = await whyNot();

async function whyNot(): Promise<string | false> {
  for (const program of ['newuidmap', 'slirp4netns', 'useradd'])
    if ((await run('sh', ['-c', `command -v ${program}`])).status !== 0) return `${program} is not installed`;
  if (!existsSync('/dev/net/tun')) return 'the host has no /dev/net/tun';
  const knob = '/proc/sys/kernel/unprivileged_userns_clone';
  if (existsSync(knob) && readFileSync(knob, 'utf8').trim() === '0')
    return 'the host lets no user make namespaces';
  return false;
}

/**
 * Make a user, who exists only in the test environment, with podman, a registry and ucrun.
 * @param number not that of another such user at the same time
 */
export async function startRootless(number: number): Promise<Rootless> {
  const name = `ucrun-user-${number}`;
  const uid = 23000 + number;
  const home = join('/var/local', name);
  const runtimeDirectory = join('/run/user', `${uid}`);
  // The repository may be where only its owner may look.
  const shared = join(scratch, name);
  const runtime = join(shared, 'bin/ucrun');
  const bound = [
    [dirname(ucrun), join(shared, 'bin')],
    [registry, join(shared, 'registry')],
  ] as const;

  // -l: the host's record of logins is no matter of ours.
  await output('useradd', ['-l', '--no-create-home', '--home-dir', home, '--uid', `${uid}`, name]);
  for (const [from, to] of bound) {
    await mkdir(to, { recursive: true });
    await output('mount', ['--bind', from, to]);
  }
  await mkdir(runtimeDirectory, { recursive: true });
  await mkdir(join(home, '.config/ucrun'), { recursive: true });
  await mkdir(join(home, '.config/containers'));
  await writeFile(join(home, '.config/ucrun/config.toml'), `registries = ["${bound[1][1]}"]\n`);
  await writeFile(join(home, '.config/containers/containers.conf'), containersConf(runtime));
  await output('chown', ['-R', `${uid}:${uid}`, home, runtimeDirectory]);
  await chmod(runtimeDirectory, 0o700);

  const environment = {
    PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
    HOME: home,
    XDG_RUNTIME_DIR: runtimeDirectory,
    // What the environment has for root.
    NETAVARK_FW: process.env.NETAVARK_FW ?? 'iptables',
    DISABLE_HC_SYSTEMD: 'true',
  };
  const words = ['--reuid', `${uid}`, '--regid', `${uid}`, '--init-groups', 'env', '--ignore-environment'];
  const variables = Object.entries(environment).map(([key, value]) => `${key}=${value}`);

  const rootless: Rootless = {
    name: 'podman',
    uid,
    program: 'podman',
    env: environment,
    crunRoot: join(runtimeDirectory, 'crun'),
    stateRoot: join(runtimeDirectory, 'ucrun'),
    overlayRoot: join(home, '.local/share/ucrun/overlays'),
    address: '127.0.0.1',
    runtime: ['--runtime=ucrun'],
    brokenRuntime: [],
    // Nobody but root may be where the tests are.
    runAs: (program, args, options = {}) =>
      run('setpriv', [...words, ...variables, program, ...args], { cwd: '/', ...options }),
    call: (args, options) => rootless.runAs('podman', args, options),
    async remove(container) {
      await rootless.call(['rm', '--force', '--time', '0', '--ignore', container]);
    },
    async load(...images) {
      const archive = join(shared, 'images.tar');
      await output('podman', ['save', '--multi-image-archive', '--output', archive, ...images]);
      await chown(archive, uid, uid);
      const { status, stderr } = await rootless.call(['load', '--input', archive]);
      if (status !== 0) throw new Error(`podman load: ${stderr}`);
      await rm(archive);
    },
    async stop() {
      await rootless.call(['rm', '--all', '--force', '--time', '0']);
      await endPauseProcess(join(runtimeDirectory, 'libpod/tmp/pause.pid'));
      await waitFor('the processes of the user to go', async () => {
        return (await run('ps', ['-o', 'pid=', '-u', `${uid}`])).stdout === '';
      }).catch(async (cause) => {
        throw new Error(`left by the user:\n${await output('ps', ['-u', `${uid}`, '-o', 'args'])}`, {
          cause,
        });
      });
      for (const [, to] of bound) await output('umount', [to]);
      for (const folder of [shared, runtimeDirectory, home]) await rm(folder, { recursive: true });
      await output('userdel', [name]);
    },
  };
  return rootless;
}

/** It keeps the user's namespaces, and podman has no word to end it. */
async function endPauseProcess(file: string): Promise<void> {
  const pid = Number(await readFile(file, 'utf8').catch(() => ''));
  if (pid > 0) process.kill(pid, 'SIGKILL');
}

/** Limits and managers as in root's own. */
function containersConf(runtime: string): string {
  const root = readFileSync(process.env.CONTAINERS_CONF ?? '', 'utf8');
  const kept = /^(?:default_ulimits|pids_limit|log_driver) = .*$/gm;
  return [
    '[containers]',
    ...(root.match(kept) ?? []),
    '[engine]',
    'cgroup_manager = "cgroupfs"',
    'events_logger = "file"',
    'runtime = "crun"',
    '[engine.runtimes]',
    `ucrun = ["${runtime}"]`,
    '',
  ].join('\n');
}
