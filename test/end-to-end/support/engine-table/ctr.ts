import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Outcome } from '../command.ts';
import { monitorOf } from '../container-processes.ts';
import type { Containerd } from '../containerd.ts';
import { scratch, ucrun } from '../environment.ts';
import { firstAnswer } from '../http.ts';
import { waitFor } from '../wait.ts';
import type { Column } from './column.ts';

/** containerd's own command. It gives a container no network but the host's. */
export function ctrColumn(containerd: Containerd): Column {
  const ctr = async (...args: readonly string[]): Promise<Outcome> => {
    const outcome = await containerd.ctr(args);
    if (outcome.status !== 0)
      throw new Error(
        `exit status ${outcome.status}: ctr ${args.join(' ')}\n${outcome.stdout}${outcome.stderr}`,
      );
    return outcome;
  };
  return {
    answer: (port) => firstAnswer(`http://${containerd.address}:${port}/`),
    async start(name, { image, env = {}, args = [], isPlain = false, port }) {
      // Its ids are the names that it is given; this one is no part of another word.
      const id = `table-${name}`;
      const logFile = join(scratch, `${id}.log`);
      const variables = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
      // Words replace the image's whole command, the tracker's program included.
      const command = args.length === 0 || isPlain ? args : ['/loop-svc', ...args];
      await ctr(
        ...['run', '--detach', '--runc-binary', ucrun, '--log-uri', `file://${logFile}`, ...variables],
        ...(port === undefined ? [] : ['--net-host']),
        ...[`${image}:latest`, id, ...command],
      );
      const ended = () =>
        waitFor(
          `${id} to end`,
          async () => new RegExp(`^${id} .*STOPPED`, 'm').test((await ctr('tasks', 'ls')).stdout),
          60,
        );
      let isDeleted = false;
      return {
        traces: { id, networkNamespace: undefined, crunRoot: `/run/containerd/runc/${containerd.name}` },
        monitor: async () => monitorOf(id).pid,
        log: () => readFile(logFile, 'utf8'),
        async usage() {
          const { stdout } = await ctr('tasks', 'metrics', '--format', 'json', id);
          const { memory } = JSON.parse(stdout);
          // Of cgroups v1, or of v2.
          return { bytes: Number(memory.usage?.usage ?? memory.usage) };
        },
        async stop() {
          await ctr('tasks', 'kill', '--signal', 'SIGTERM', id);
          await ended();
        },
        async exitCode() {
          await ended();
          isDeleted = true;
          // A warning tells of every status but 0.
          const { stderr } = await ctr('tasks', 'delete', id);
          return Number(/non-zero exit code (\d+)/.exec(stderr)?.[1] ?? 0);
        },
        async remove() {
          if (!isDeleted) await containerd.ctr(['tasks', 'delete', '--force', id]);
          await ctr('containers', 'delete', id);
          await rm(logFile, { force: true });
        },
      };
    },
    stop: () => Promise.resolve(),
  };
}
