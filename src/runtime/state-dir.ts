import { dirname } from 'node:path';

/**
 * Where a container's state is: `<state root>/<crun's root, escaped>:<id>`, since two engines with roots of their own may use the
 * same id. One folder, which is there or is not: whoever dies in between leaves nothing that nobody looks for.
 */
export interface StatePaths {
  /** Of all containers: the pool of user ids and what was found out about the host. */
  readonly stateRoot: string;
  /** The container's own folder; what follows is in it. */
  readonly directory: string;
  /** 12 hexadecimal digits that tell it from others, for what has no room for more. */
  readonly mark: string;
  readonly record: string;
  /** The specification for crun. */
  readonly sandboxConfig: string;
  readonly rootfs: string;
  /** The folder that is /ucrun in the sandbox. */
  readonly launchDirectory: string;
  readonly launchScript: string;
  /** Copies of unikernel files that the monitor's user could not read in their place. */
  readonly copies: string;
  /** A link to the directory with the overlays of its disks; there only if it has disks. */
  readonly overlays: string;
  /** There while the container is paused. */
  readonly paused: string;
}

export interface StateLocation {
  readonly configuredStateDir: string | undefined;
  readonly xdgRuntimeDir: string | undefined;
  /** Root of the initial user namespace; everyone else keeps state in a directory of their own. */
  readonly isHostRoot: boolean;
  /** `--root`, as the engine wrote it. */
  readonly crunRoot: string | undefined;
}

/** The paths of a container. Pure; the id must have been checked by {@link isContainerId}. */
export function statePaths(location: StateLocation, id: string): StatePaths {
  const runtimeDir = location.isHostRoot ? '/run' : (location.xdgRuntimeDir ?? '/run');
  const stateRoot = location.configuredStateDir ?? `${runtimeDir}/ucrun`;
  return pathsOf(`${stateRoot}/${escapePath(location.crunRoot ?? `${runtimeDir}/crun`)}:${id}`);
}

/** The paths of a container whose folder is known. */
export function pathsOf(directory: string): StatePaths {
  const launchDirectory = `${directory}/launch`;
  return {
    stateRoot: dirname(directory),
    directory,
    mark: hash(directory).slice(-12),
    record: `${directory}/record.json`,
    sandboxConfig: `${directory}/config.json`,
    rootfs: `${directory}/rootfs`,
    launchDirectory,
    launchScript: `${launchDirectory}/launch`,
    copies: `${directory}/files`,
    overlays: `${directory}/overlays`,
    paused: `${directory}/paused`,
  };
}

/**
 * Where the overlays of a container's disks are to be: on a disk, since guests may write much.
 * @param home of the user; undefined where nobody knows it
 */
export function overlayDirectory(
  { directory, stateRoot }: StatePaths,
  configured: string | undefined,
  isHostRoot: boolean,
  home: string | undefined,
): string {
  const usual =
    isHostRoot || home === undefined ? '/var/lib/ucrun/overlays' : `${home}/.local/share/ucrun/overlays`;
  return `${configured ?? usual}${directory.slice(stateRoot.length)}`;
}

/** Whether a text can be a container's id, by crun's rule, which also keeps it inside of its folder. */
export function isContainerId(id: string): boolean {
  return id.length <= 128 && /^[A-Za-z0-9_+.-]+$/.test(id) && id !== '.' && id !== '..';
}

/**
 * A path as one file name, no two paths the same: as systemd does it.
 * @see systemd.unit(5), "String Escaping for Inclusion in Unit Names"
 */
function escapePath(path: string): string {
  const trimmed = path.replaceAll(/\/+/g, '/').replace(/^\/|\/$/g, '');
  const escaped = trimmed.replaceAll(/[^A-Za-z0-9:_./]|^\./g, (character) =>
    [...Buffer.from(character)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(''),
  );
  const name = escaped === '' ? '-' : escaped.replaceAll('/', '-');
  return name.length <= longestRootName ? name : `${name.slice(0, longestRootName - 17)}+${hash(trimmed)}`;
}

/**
 * Where crun keeps the state of the container that a folder's name stands for.
 * @param name `ROOT:ID`
 * @returns undefined for a root so long that its name is only a part of it
 */
export function crunRootOf(name: string): string | undefined {
  const root = name.slice(0, name.lastIndexOf(':'));
  if (/\+[0-9a-f]{16}$/.test(root)) return undefined;
  if (root === '-') return '/';
  const bytes = `/${root.replaceAll('-', '/')}`.replaceAll(/\\x([0-9a-f]{2})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** A file's name has up to 255 bytes, and the id follows. */
const longestRootName = 120;

/** FNV-1a, 64 bits, in hexadecimal: enough to tell apart what one host's administrator makes up. */
function hash(text: string): string {
  let value = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) value = BigInt.asUintN(64, (value ^ BigInt(byte)) * 0x100000001b3n);
  return value.toString(16).padStart(16, '0');
}
