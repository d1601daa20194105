import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { output, quote, run } from './command.ts';
import { type Engine, outputOf } from './engine.ts';
import { makeEngineNamespace } from './engine-namespace.ts';
import { scratch, ucrun } from './environment.ts';
import { waitFor } from './wait.ts';

/** A docker of the test's own. */
export interface Docker extends Engine {
  /** Give docker images that podman has. */
  load(...images: readonly string[]): Promise<void>;
  /** Have it read its configuration again. */
  reload(): void;
  /** Remove all containers, end docker, and take away what it leaves. */
  stop(): Promise<void>;
}

/** Why there can be no docker here; false if there can. */
export const noDocker: string | false = (await isThere('dockerd')) ? false : 'docker is not installed';

/** Distributions have the command line beside the daemon, whatever else somebody may have on PATH. */
const client = existsSync('/usr/bin/docker') ? '/usr/bin/docker' : 'docker';

/**
 * Start a docker, in a network namespace of its own. Containers have addresses below 172.31.NUMBER.
 * @param number not that of another docker at the same time
 * @param brokenRuntime what {@link makeBrokenRuntime} made; undefined: it has its runtimes from /etc/docker/daemon.json
 */
export async function startDocker(number: number, brokenRuntime: string | undefined): Promise<Docker> {
  const name = `ucrun-docker-${number}`;
  const folder = join('/run', name);
  const dataRoot = join(scratch, name);
  await mkdir(folder, { recursive: true });
  const namespace = await makeEngineNamespace(name, number, `172.31.${number}.0/24`);
  await writeFile(join(folder, 'daemon.json'), '{}');
  const logFile = join(scratch, `${name}.log`);
  const log = await open(logFile, 'w');
  const daemon = spawn(
    'nsenter',
    [
      ...namespace.nsenterArgs('dockerd'),
      ...['--pidfile', join(folder, 'pid'), '--experimental'],
      ...['--data-root', dataRoot, '--exec-root', join(folder, 'exec'), '--host', `unix://${folder}/socket`],
      ...['--bip', `172.31.${number}.1/24`, '--cgroup-parent', `/${name}`],
      ...['--exec-opt', 'native.cgroupdriver=cgroupfs'],
      ...(brokenRuntime === undefined ? [] : runtimesOf(brokenRuntime, join(folder, 'daemon.json'))),
    ],
    { stdio: ['ignore', log.fd, log.fd] },
  );
  const ended = once(daemon, 'exit');
  await log.close();
  // A test file ends, and its clean-up begins, when nothing keeps it busy.
  daemon.unref();

  const env = { DOCKER_HOST: `unix://${folder}/socket`, DOCKER_CONFIG: folder };
  const docker: Docker = {
    name: 'docker',
    program: client,
    env,
    // Whatever the runtime's name is, docker has this one.
    crunRoot: join(folder, 'exec/runtime-runc/moby'),
    address: namespace.address,
    runtime: ['--runtime=ucrun'],
    brokenRuntime: ['--runtime=broken'],
    call: (args, options = {}) => run(client, args, { ...options, env: { ...env, ...options.env } }),
    async remove(container) {
      await docker.call(['rm', '--force', container]);
    },
    async load(...images) {
      for (const image of images)
        await output('sh', ['-c', `podman save ${quote(image)} | ${quote(client)} load`], { env });
    },
    reload: () => void daemon.kill('SIGHUP'),
    async stop() {
      const containers = (await outputOf(docker, ['ps', '--all', '--quiet'])).split('\n');
      for (const container of containers) if (container !== '') await docker.remove(container);
      daemon.ref();
      daemon.kill('SIGTERM');
      await ended;
      await namespace.remove(folder, dataRoot);
      await rm(folder, { recursive: true });
      await rm(dataRoot, { recursive: true });
    },
  };
  await waitFor('docker', async () => (await docker.call(['version'])).status === 0, 60).catch(
    async (cause) => {
      daemon.kill('SIGKILL');
      throw new Error(`docker does not start:\n${await readFile(logFile, 'utf8')}`, { cause });
    },
  );
  // The tests are docker's outside; they want to reach containers at their own addresses, too.
  const accept = ['iptables', '-I', 'DOCKER-USER', '-i', namespace.uplink, '-j', 'ACCEPT'];
  await output('ip', ['netns', 'exec', name, ...accept]);
  return docker;
}

function runtimesOf(brokenRuntime: string, configFile: string): readonly string[] {
  const runtimes = ['--add-runtime', `ucrun=${ucrun}`, '--add-runtime', `broken=${brokenRuntime}`];
  return ['--config-file', configFile, ...runtimes];
}

async function isThere(program: string): Promise<boolean> {
  return (await run('sh', ['-c', `command -v ${program}`])).status === 0;
}
