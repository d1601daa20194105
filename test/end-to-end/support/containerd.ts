import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CommandOptions, type Outcome, output, quote, run } from './command.ts';
import { type CriClient, connectCri } from './cri/client.ts';
import { makeEngineNamespace } from './engine-namespace.ts';
import { repository, scratch, ucrun } from './environment.ts';
import { trackerImage } from './images.ts';
import { waitFor } from './wait.ts';

/** A containerd of the test's own, with Kubernetes' interface. */
export interface Containerd {
  readonly name: string;
  readonly cri: CriClient;
  /** Where ports are published, and where ports of pods on the host's network are. */
  readonly address: string;
  /** The cgroup below which pods belong, and the namespace of what ctr makes. */
  readonly cgroup: string;
  /** Where crun keeps the state of pods. */
  readonly crunRoot: string;
  /** Run ctr, in the namespace of this containerd's own. */
  ctr(args: readonly string[], options?: CommandOptions): Promise<Outcome>;
  /** Give containerd images that podman has, for pods and for ctr. */
  load(...images: readonly string[]): Promise<void>;
  /** End containerd, and take away what it leaves. Pods and containers have to be removed before. */
  stop(): Promise<void>;
}

/** Debian's place of the plugins for networks, and everybody else's. */
const pluginsOfNetworks = ['/usr/lib/cni', '/opt/cni/bin'].find((path) => existsSync(join(path, 'bridge')));

/** Why there can be no containerd with Kubernetes' interface here; false if there can. */
export const noContainerd: string | false =
  (await run('sh', ['-c', 'command -v containerd ctr'])).status !== 0
    ? 'containerd is not installed'
    : pluginsOfNetworks === undefined && 'containernetworking-plugins is not installed';

/**
 * Start a containerd, in a network namespace of its own, with the runtimes ucrun, as deploy/kubernetes has it, and crun, which is
 * the default. Pods have addresses below 172.31.NUMBER.
 * @param number not that of another engine at the same time
 */
export async function startContainerd(number: number): Promise<Containerd> {
  const name = `ucrun-containerd-${number}`;
  const folder = join('/run', name);
  const root = join(scratch, name);
  const socket = join(folder, 'socket');
  await mkdir(join(folder, 'networks'), { recursive: true });
  await mkdir(root);
  const network = `172.31.${number}.0/24`;
  const namespace = await makeEngineNamespace(name, number, network);
  await writeFile(join(folder, 'networks/10-pods.conflist'), networkSettings(folder, network));
  await writeFile(join(folder, 'config.toml'), await settings(folder, root, socket));
  const logFile = join(scratch, `${name}.log`);
  const log = await open(logFile, 'w');
  const daemon = spawn(
    'nsenter',
    namespace.nsenterArgs('containerd', '--config', join(folder, 'config.toml')).slice(),
    { stdio: ['ignore', log.fd, log.fd] },
  );
  const ended = once(daemon, 'exit');
  await log.close();
  // A test file ends, and its clean-up begins, when nothing keeps it busy.
  daemon.unref();
  const cri = connectCri(socket);
  const ctr = ['--address', socket];
  const containerd: Containerd = {
    name,
    cri,
    address: namespace.address,
    cgroup: name,
    crunRoot: '/run/containerd/runc/k8s.io',
    ctr: (args, options = {}) => run('ctr', [...ctr, '--namespace', name, ...args], options),
    async load(...images) {
      for (const image of images) {
        const archive = join(scratch, `${name}.tar`);
        await output('podman', ['save', '--output', archive, image]);
        for (const space of ['k8s.io', name])
          await output('ctr', [...ctr, '--namespace', space, 'images', 'import', archive]);
        await rm(archive);
        await waitFor(`${image} to be known`, async () => {
          return (await cri.image('ImageStatus', { image: { image } })).image !== null;
        });
      }
    },
    async stop() {
      for (const space of ['k8s.io', name]) {
        const list = `ctr --address ${quote(socket)} --namespace ${space} images`;
        await output('sh', ['-c', `${list} ls --quiet | xargs -r ${list} rm`]);
      }
      cri.close();
      daemon.ref();
      daemon.kill('SIGTERM');
      await ended;
      await namespace.remove(folder, root);
      await rm(folder, { recursive: true });
      await rm(root, { recursive: true });
    },
  };
  await waitFor(
    'containerd',
    async () => {
      const { status } = await cri.runtime('Status');
      return status.conditions.every(({ status }: { readonly status: boolean }) => status);
    },
    60,
  ).catch(async (cause) => {
    daemon.kill('SIGKILL');
    throw new Error(`containerd does not start:\n${await readFile(logFile, 'utf8')}`, { cause });
  });
  return containerd;
}

async function settings(folder: string, root: string, socket: string): Promise<string> {
  const ours = await readFile(join(repository, 'deploy/kubernetes/containerd-1.toml'), 'utf8');
  return `version = 2
root = "${root}"
state = "${folder}/state"
[grpc]
address = "${socket}"
[plugins."io.containerd.internal.v1.opt"]
path = "${root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${trackerImage}:latest"
# A lower score needs a right that a test may not have.
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "${pluginsOfNetworks}"
conf_dir = "${folder}/networks"
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "crun"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun.options]
BinaryName = "crun"
${ours.replace('/usr/bin/ucrun', ucrun)}`;
}

function networkSettings(folder: string, subnet: string): string {
  const addresses = {
    type: 'host-local',
    dataDir: join(folder, 'addresses'),
    ranges: [[{ subnet }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  return JSON.stringify({
    cniVersion: '0.4.0',
    name: 'pods',
    plugins: [
      { type: 'bridge', bridge: 'pods0', isGateway: true, ipMasq: true, hairpinMode: true, ipam: addresses },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  });
}
