import { existsSync, statSync } from 'node:fs';
import { listDirectory } from '../../host/files.ts';
import { runningInit } from '../../runtime/init-process.ts';
import { type ContainerRecord, readRecord } from '../../runtime/record.ts';
import { pathsOf } from '../../runtime/state-dir.ts';
import type { PortMapping } from '../../unikernel/ports.ts';

/** A unikernel that is an engine's container. */
export interface EngineMachine {
  readonly name: string;
  readonly manager: string;
  readonly status: 'created' | 'running' | 'paused' | 'exited';
  readonly guest: string;
  readonly pid: number | undefined;
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly ports: readonly PortMapping[];
  /** ISO 8601. */
  readonly created: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The unikernels that engines of this user's have as containers. One whose record cannot be read is left out: it is its engine's. */
export function engineMachines(stateRoot: string): readonly EngineMachine[] {
  return listDirectory(stateRoot).flatMap((directory) => {
    // Before the id is crun's root, see runtime/state-dir.ts.
    const [, root = '', id] = /^(.*):([^:]+)$/.exec(directory) ?? [];
    if (id === undefined) return [];
    const paths = pathsOf(`${stateRoot}/${directory}`);
    const record = recordOf(paths);
    if (record === undefined) return [];
    const pid = runningInit(record);
    const { machine, annotations } = record;
    return [
      {
        name: nameOf(annotations) ?? id.slice(0, 12),
        manager: managerOf(annotations, root),
        status: statusOf(record, pid, existsSync(paths.paused)),
        guest: machine.guest,
        pid,
        memoryMiB: machine.memoryMiB,
        cpus: machine.cpus,
        // On a tap the ports are the container's, and the engine has published them.
        ports: record.joined?.kind === 'user' || record.joined?.kind === 'passt' ? record.joined.ports : [],
        // It may be gone by now.
        created: (statSync(paths.record, { throwIfNoEntry: false })?.birthtime ?? new Date()).toISOString(),
        labels: annotations,
      },
    ];
  });
}

function recordOf(paths: Parameters<typeof readRecord>[0]): ContainerRecord | undefined {
  try {
    return readRecord(paths);
  } catch {
    return undefined;
  }
}

function statusOf(
  { init }: ContainerRecord,
  pid: number | undefined,
  isPaused: boolean,
): EngineMachine['status'] {
  if (init === undefined) return 'created';
  if (pid === undefined) return 'exited';
  return isPaused ? 'paused' : 'running';
}

/** Who made a container, by what engines write into its annotations, or else by where they have crun keep its state. */
function managerOf(annotations: Readonly<Record<string, string>>, root: string): string {
  const manager = annotations['io.container.manager'];
  if (manager === 'libpod') return 'podman';
  if (manager !== undefined) return printable(manager);
  if ('io.kubernetes.cri-o.ContainerType' in annotations) return 'cri-o';
  if ('io.kubernetes.cri.container-type' in annotations) return 'containerd';
  if ('nerdctl/name' in annotations) return 'nerdctl';
  if (root.includes('moby')) return 'docker';
  if (root.includes('containerd')) return 'containerd';
  return 'podman' in annotations || Object.keys(annotations).some((key) => key.startsWith('io.podman.'))
    ? 'podman'
    : 'crun';
}

function nameOf(annotations: Readonly<Record<string, string>>): string | undefined {
  const keys = [
    'io.kubernetes.cri-o.Name',
    'io.kubernetes.cri.container-name',
    'nerdctl/name',
    'io.podman.container.name',
  ];
  const name = keys.map((key) => annotations[key]).find((found) => found !== undefined);
  return name === undefined ? undefined : printable(name);
}

/** Annotations may be an image's: nothing of them is to move the terminal's cursor. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 64);
}
