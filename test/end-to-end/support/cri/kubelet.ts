import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseMiB } from '../../../../src/base/size.ts';
import type { Containerd } from '../containerd.ts';
import { scratch } from '../environment.ts';
import { nothingLeft } from '../leftovers.ts';
import { waitFor } from '../wait.ts';
import type { ContainerManifest, PodManifest } from './manifests.ts';

/** A pod that runs. */
export interface Pod {
  readonly id: string;
  /** Its address in the network of pods. */
  readonly address: string;
  /** The current container of that name in the manifest. */
  container(name: string): string;
  /** Make a container of the manifest's, or another, in place of the last one of that name, and start it. @returns its id */
  start(container: ContainerManifest): Promise<string>;
  /** What a container has printed, without what the format adds. @throws Error for a line that is not of the format */
  log(name: string): Promise<string>;
  /** Wait until the log has a text. */
  logWith(name: string, pattern: RegExp): Promise<string>;
  /** Stop and remove it with its containers, and see that nothing is left. */
  remove(): Promise<void>;
}

/** Run a pod as kubelet does, by the calls that it makes for a manifest. */
export async function runPod(containerd: Containerd, manifest: PodManifest, handler: string): Promise<Pod> {
  const { runtime } = containerd.cri;
  const { name, annotations = {} } = manifest.metadata;
  const logs = join(scratch, `pod-${name}`);
  await rm(logs, { recursive: true, force: true });
  await mkdir(logs);
  const ports = manifest.spec.containers.flatMap((container) => container.ports ?? []);
  const config = {
    metadata: { name, uid: `uid-${name}`, namespace: 'default', attempt: 0 },
    hostname: name,
    log_directory: logs,
    port_mappings: ports.map(({ containerPort, hostPort = 0 }) => ({
      protocol: 'TCP',
      container_port: containerPort,
      host_port: hostPort,
    })),
    labels: { 'io.kubernetes.pod.name': name },
    annotations,
    linux: { cgroup_parent: `/${containerd.cgroup}` },
  };
  const { pod_sandbox_id: id } = await runtime('RunPodSandbox', { config, runtime_handler: handler });
  const { status } = await runtime('PodSandboxStatus', { pod_sandbox_id: id });
  const current = new Map<string, string>();
  const all: string[] = [id];
  const attempts = new Map<string, number>();
  const logPath = (container: string) => join(logs, `${container}-${attempts.get(container)}.log`);

  const pod: Pod = {
    id,
    address: status.network.ip,
    container(container) {
      const found = current.get(container);
      if (found === undefined) throw new Error(`pod ${name} has no container ${container}`);
      return found;
    },
    async start(container) {
      attempts.set(container.name, (attempts.get(container.name) ?? -1) + 1);
      const { container_id } = await runtime('CreateContainer', {
        pod_sandbox_id: id,
        sandbox_config: config,
        config: containerConfig(container, attempts.get(container.name) ?? 0),
      });
      current.set(container.name, container_id);
      all.push(container_id);
      await runtime('StartContainer', { container_id });
      return container_id;
    },
    async log(container) {
      const text = await readFile(logPath(container), 'utf8').catch(() => '');
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const [, isPart, content] =
            /^\d{4}-\d\d-\d\dT[\d:.]+Z (?:stdout|stderr) ([FP]) (.*)$/.exec(line) ?? [];
          if (content === undefined) throw new Error(`no line of a log: ${line}`);
          return content + (isPart === 'P' ? '' : '\n');
        })
        .join('');
    },
    logWith: (container, pattern) =>
      waitFor(
        `${pattern} in the log of ${container}`,
        async () => {
          const log = await pod.log(container);
          return pattern.test(log) && log;
        },
        60,
      ),
    async remove() {
      await runtime('StopPodSandbox', { pod_sandbox_id: id });
      await runtime('RemovePodSandbox', { pod_sandbox_id: id });
      const { crunRoot } = containerd;
      await nothingLeft(...all.map((id) => ({ id, crunRoot, networkNamespace: undefined })));
      await rm(logs, { recursive: true });
    },
  };
  for (const container of manifest.spec.containers) await pod.start(container);
  return pod;
}

function containerConfig(container: ContainerManifest, attempt: number): object {
  const { name, image, command = [], args = [], env = [], annotations = {} } = container;
  const { memory, cpu } = container.resources?.limits ?? {};
  const period = 100_000;
  return {
    metadata: { name, attempt },
    image: { image },
    command,
    args,
    envs: env.map(({ name, value }) => ({ key: name, value })),
    labels: { 'io.kubernetes.container.name': name },
    annotations,
    log_path: `${name}-${attempt}.log`,
    linux: {
      resources: {
        cpu_period: period,
        cpu_quota: cpu === undefined ? 0 : Number(cpu) * period,
        // Kubernetes writes "128Mi" for what ucrun writes "128MiB".
        memory_limit_in_bytes: memory === undefined ? 0 : parseMiB(`${memory}B`, 'memory') * 1024 * 1024,
      },
    },
  };
}
