import { monitorOf } from '../container-processes.ts';
import type { Containerd } from '../containerd.ts';
import { runPod } from '../cri/kubelet.ts';
import { firstAnswer } from '../http.ts';
import { waitFor } from '../wait.ts';
import type { Column } from './column.ts';

/** Kubernetes' interface to containerd: a pod for each container. */
export function criColumn(containerd: Containerd): Column {
  const { runtime } = containerd.cri;
  return {
    answer: (port) => firstAnswer(`http://${containerd.address}:${port}/`),
    async start(name, { image, env = {}, args = [], isPlain = false, port }) {
      const container = {
        name,
        image,
        env: Object.entries(env).map(([name, value]) => ({ name, value })),
        ...(isPlain ? { command: args } : { args }),
        ports: port === undefined ? [] : [{ containerPort: port, hostPort: port }],
      };
      const pod = await runPod(
        containerd,
        { metadata: { name: `table-${name}` }, spec: { containers: [container] } },
        'ucrun',
      );
      const id = pod.container(name);
      return {
        traces: { id, networkNamespace: undefined, crunRoot: containerd.crunRoot },
        monitor: async () => monitorOf(id).pid,
        log: () => pod.log(name),
        async usage() {
          const { stats } = await runtime('ContainerStats', { container_id: id });
          return { bytes: Number(stats.memory.working_set_bytes.value) };
        },
        async stop() {
          await runtime('StopContainer', { container_id: id, timeout: 10 });
        },
        exitCode: () =>
          waitFor(
            `${name} to end`,
            async () => {
              const { status } = await runtime('ContainerStatus', { container_id: id });
              return status.state === 'CONTAINER_EXITED' && { code: status.exit_code };
            },
            60,
          ).then(({ code }) => code),
        remove: () => pod.remove(),
      };
    },
    stop: () => containerd.stop(),
  };
}
