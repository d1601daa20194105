import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { inspect } from './podman.ts';
import { waitFor } from './wait.ts';

/** What identifies a container's traces on the host once the container itself is gone. */
export interface Traces {
  readonly id: string;
  /** The network namespace's file; undefined if the container has none of its own. */
  readonly networkNamespace: string | undefined;
}

/** Take down what identifies a container's traces, while podman still knows it. */
export async function tracesOf(container: string): Promise<Traces> {
  const [id = '', networkNamespace = ''] = (
    await inspect(container, '{{.Id}} {{.NetworkSettings.SandboxKey}}')
  ).split(' ');
  return { id, networkNamespace: networkNamespace === '' ? undefined : networkNamespace };
}

/** Check that a container that was removed has left nothing. The kernel and conmon need a moment for it. */
export async function assertNothingLeft(t: Test, ...all: readonly Traces[]): Promise<void> {
  await waitFor('the traces to go', () => all.flatMap(leftovers).length === 0, 5).catch(() => undefined);
  t.strictSame(all.flatMap(leftovers), [], 'nothing is left on the host');
}

/** What is left of a container, one thing a line: processes, mounts, cgroups, records of crun's and ucrun's. */
export function leftovers({ id, networkNamespace }: Traces): string[] {
  const found = [...processes(id), ...mounts(id)];
  for (const root of ['/sys/fs/cgroup', '/run/crun', '/run/ucrun']) found.push(...pathsWith(id, root));
  if (networkNamespace !== undefined && existsSync(networkNamespace)) found.push(networkNamespace);
  return found;
}

/** Processes in a cgroup of the container's, and those that have its id on their command line. */
function processes(id: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const commandLine = readOrNothing(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
      const isOurs = commandLine.includes(id) || readOrNothing(`/proc/${pid}/cgroup`).includes(id);
      return isOurs ? [`process ${pid}: ${commandLine}`] : [];
    });
}

function mounts(id: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(id));
}

function pathsWith(id: string, folder: string): string[] {
  const found: string[] = [];
  for (const entry of entriesOrNothing(folder)) {
    const path = join(folder, entry.name);
    if (entry.name.includes(id)) found.push(path);
    else if (entry.isDirectory()) found.push(...pathsWith(id, path));
    else if (entry.name.endsWith('.json') && readOrNothing(path).includes(id)) found.push(path);
  }
  return found;
}

/** Whatever is looked at may go away at any moment: then there is nothing in it. */
function readOrNothing(path: string): string {
  return orNothing('', () => readFileSync(path, 'utf8'));
}

function entriesOrNothing(folder: string) {
  return orNothing([], () => readdirSync(folder, { withFileTypes: true }));
}

function orNothing<T>(nothing: T, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return nothing;
    throw error;
  }
}
