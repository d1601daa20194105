import { type Dirent, existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from './podman.ts';
import { waitFor } from './wait.ts';

/** Where hack/in-test-env.sh has ucrun keep the overlays of disks. */
const overlays = '/run/ucrun-env/overlays';

/** What identifies a container's traces on the host once the container itself is gone. */
export interface Traces {
  readonly id: string;
  /** The network namespace's file; undefined if the container has none of its own. */
  readonly networkNamespace: string | undefined;
  /** The root directory of the system that the container is in, as this process sees it; by default its own. */
  readonly root?: string | undefined;
  /** A file that stays, but with nothing mounted on it. */
  readonly mountPoint?: string;
  /** Where crun's state is; by default that of a runtime that podman starts as root. */
  readonly crunRoot?: string;
  /** Where ucrun's records are; by default those of root. */
  readonly stateRoot?: string | undefined;
  readonly overlayRoot?: string | undefined;
}

/** Take down what identifies a container's traces, while podman still knows it. */
export async function tracesOf(container: string): Promise<Traces> {
  const template = '{{.Id}} {{.HostConfig.NetworkMode}} {{.NetworkSettings.SandboxKey}}';
  const [id = '', mode = '', namespace = ''] = (await inspect(container, template)).split(' ');
  // A pod's namespace is shown for its containers, but stays when they go.
  const isItsOwn = namespace !== '' && !mode.startsWith('container:');
  return { id, networkNamespace: isItsOwn ? namespace : undefined };
}

/**
 * Wait until a container that was removed has left nothing; the kernel and conmon need a moment for it.
 * @throws Error that lists what is left
 */
export async function nothingLeft(...all: readonly Traces[]): Promise<void> {
  await waitFor('the traces to go', () => all.flatMap(leftovers).length === 0, 30).catch((cause) => {
    throw new Error(`left on the host:\n${all.flatMap(leftovers).join('\n')}`, { cause });
  });
}

/** What is left of a container, one thing a line: processes, mounts, cgroups, records of crun's and ucrun's. */
export function leftovers(traces: Traces): string[] {
  const { id, root = '/', networkNamespace, mountPoint } = traces;
  const { crunRoot = '/run/crun', overlayRoot = overlays } = traces;
  const inSystem = (path: string) => join(root, path);
  const found = [...processes(id, root), ...mounts(id, root), ...recordsOf(id, stateFolder(traces))];
  if (mountPoint !== undefined) found.push(...mounts(mountPoint, root));
  for (const folder of ['/sys/fs/cgroup', crunRoot, overlayRoot].map(inSystem))
    found.push(...pathsWith(id, folder));
  if (networkNamespace !== undefined && existsSync(inSystem(networkNamespace))) found.push(networkNamespace);
  return found;
}

/** Where ucrun's records are, as this process sees it. */
export function stateFolder({ root = '/', stateRoot = '/run/ucrun' }: Traces): string {
  return join(root, stateRoot);
}

/** Processes in a cgroup of the container's, and those that have its id on their command line. */
function processes(id: string, root: string): string[] {
  return readdirSync(join(root, 'proc'))
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const commandLine = readOrNothing(join(root, `proc/${pid}/cmdline`)).replaceAll('\0', ' ');
      const isOurs = commandLine.includes(id) || readOrNothing(join(root, `proc/${pid}/cgroup`)).includes(id);
      return isOurs ? [`process ${pid}: ${commandLine}`] : [];
    });
}

function mounts(id: string, root: string): string[] {
  return readFileSync(join(root, 'proc/1/mountinfo'), 'utf8')
    .split('\n')
    .filter((line) => line.includes(id));
}

function pathsWith(id: string, folder: string): string[] {
  return entriesBelow(folder)
    .map(pathOf)
    .filter((path) => path.includes(id));
}

/** What is ucrun's and has the id in its path or content. */
function recordsOf(id: string, folder: string): string[] {
  return entriesBelow(folder)
    .filter((entry) => pathOf(entry).includes(id) || contentOf(entry).includes(id))
    .map(pathOf);
}

/**
 * Of a file, and of a link where it leads to. Machines of other tests have pipes there: to open one would wait for ever for its other
 * end, and to read it would take what is for somebody else.
 */
function contentOf(entry: Dirent): string {
  if (entry.isSymbolicLink()) return orNothing('', () => readlinkSync(pathOf(entry)));
  return entry.isFile() ? readOrNothing(pathOf(entry)) : '';
}

function pathOf({ parentPath, name }: Dirent): string {
  return join(parentPath, name);
}

/** What is below a folder. A part of it that goes away meanwhile hides nothing of the rest, as it would if Node looked by itself. */
function entriesBelow(folder: string): Dirent[] {
  const entries = orNothing([], () => readdirSync(folder, { withFileTypes: true }));
  return entries.flatMap((entry) =>
    entry.isDirectory() ? [entry, ...entriesBelow(pathOf(entry))] : [entry],
  );
}

/** Whatever is looked at may go away at any moment: then there is nothing in it. */
function readOrNothing(path: string): string {
  return orNothing('', () => readFileSync(path, 'utf8'));
}

function orNothing<T>(nothing: T, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return nothing;
    throw error;
  }
}
