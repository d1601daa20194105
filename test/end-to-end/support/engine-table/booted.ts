import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Engine, outputOf } from '../engine.ts';
import { monitorOf } from '../engine-guests.ts';
import { type BootedSystem, ordinaryUser } from '../systemd-tree.ts';
import { waitFor } from '../wait.ts';
import { commandLineColumn } from './by-command-line.ts';
import type { Column, Usage } from './column.ts';

/**
 * podman 5 of a booted system, where systemd is its cgroup manager.
 * @param archive in the system, with the images
 */
export async function bootedColumn(
  system: BootedSystem,
  user: 'root' | 'user',
  archive: string,
): Promise<Column> {
  const engine = user === 'root' ? rootsPodman(system) : usersPodman(system);
  await outputOf(engine, ['load', '--quiet', '--input', archive]);
  const controllers = await readFile(system.path('/sys/fs/cgroup/cgroup.controllers'), 'utf8');
  return commandLineColumn(engine, {
    answer: (port) =>
      waitFor(
        `an answer on port ${port}`,
        () => system.output(['curl', '--silent', '--max-time', '5', `http://${engine.address}:${port}/`]),
        60,
      ),
    // A test machine with cgroups of version 1 has the controllers there, and a tree of version 2 that counts processors' time alone.
    ...(/\bmemory\b/.test(controllers) ? {} : { usage: (name: string) => cpuUsage(engine, name) }),
  });
}

const common = {
  name: 'podman',
  program: 'podman',
  env: {},
  address: '127.0.0.1',
  runtime: ['--runtime=ucrun'],
  brokenRuntime: [],
} as const;

function rootsPodman(system: BootedSystem): Engine {
  const call: Engine['call'] = (args, options) => system.run(['podman', ...args], options);
  return {
    ...common,
    root: system.path('/'),
    crunRoot: '/run/crun',
    overlayRoot: '/var/lib/ucrun/overlays',
    call,
    remove: (name) => remove(call, name),
  };
}

function usersPodman(system: BootedSystem): Engine {
  // In a scope, which stays as long as anything in it, as a login's does: a service would take the network with it as it ends.
  const scope = ['systemd-run', '--user', '--scope', '--quiet', '--', 'podman'];
  const call: Engine['call'] = (args, options) => system.runAsUser([...scope, ...args], options);
  const runtimeDirectory = `/run/user/${ordinaryUser.uid}`;
  return {
    ...common,
    root: system.path('/'),
    crunRoot: `${runtimeDirectory}/crun`,
    stateRoot: `${runtimeDirectory}/ucrun`,
    overlayRoot: `${ordinaryUser.home}/.local/share/ucrun/overlays`,
    call,
    remove: (name) => remove(call, name),
  };
}

async function remove(call: Engine['call'], name: string): Promise<void> {
  await call(['rm', '--force', '--time', '0', '--ignore', name]);
}

async function cpuUsage(engine: Engine, name: string): Promise<Usage> {
  const pid = await monitorOf(engine, name);
  const fields = (await readFile(join(engine.root ?? '/', `proc/${pid}/stat`), 'utf8')).split(' ');
  // utime and stime of proc_pid_stat(5), in hundredths of a second; QEMU's name has no blank.
  const monitorSeconds = (Number(fields[13]) + Number(fields[14])) / 100;
  const shown = await outputOf(engine, ['stats', '--no-stream', '--format', '{{.CPUNano}}', name]);
  if (!/^\d+$/.test(shown)) throw new Error(`no processors' time: ${shown}`);
  return { cpuSeconds: Number(shown) / 1e9, monitorSeconds };
}
