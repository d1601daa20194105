import { readTextIfThere } from './files.ts';

/** The cgroup of a process, under each controller that it has one under. */
export interface Cgroup {
  /** The hierarchy that has the controller; undefined if none has. */
  version(controller: string): 1 | 2 | undefined;
  /** The text of a file of a controller's, such as `memory.stat`; undefined if there is none. */
  read(controller: string, file: string): string | undefined;
}

/**
 * The cgroup that a process is in. A hybrid host has some controllers in each hierarchy.
 * @see cgroups(7), "/proc files"; proc_pid_mountinfo(5)
 */
export function cgroupOf(pid: number): Cgroup {
  const directories = cgroupDirectories(
    readTextIfThere(`/proc/${pid}/cgroup`) ?? '',
    readTextIfThere('/proc/self/mountinfo') ?? '',
  );
  const find = (controller: string) => {
    const own = directories.v1.get(controller);
    if (own !== undefined) return { version: 1, directory: own } as const;
    return directories.v2 === undefined ? undefined : ({ version: 2, directory: directories.v2 } as const);
  };
  return {
    version: (controller) => find(controller)?.version,
    read(controller, file) {
      const found = find(controller);
      return found === undefined ? undefined : readTextIfThere(`${found.directory}/${file}`);
    },
  };
}

/** Controller → directory, and the directory in the hierarchy of version 2. Pure. */
export function cgroupDirectories(
  cgroups: string,
  mountinfo: string,
): { readonly v1: ReadonlyMap<string, string>; readonly v2: string | undefined } {
  const mounts = cgroupMounts(mountinfo);
  const v1 = new Map<string, string>();
  let v2: string | undefined;
  for (const line of cgroups.split('\n')) {
    const [, id, controllers = '', path = ''] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (id === '0') {
      const mount = mounts.findLast(({ type }) => type === 'cgroup2');
      if (mount !== undefined) v2 = placeIn(mount, path);
    } else if (id !== undefined) {
      for (const controller of controllers.split(',')) {
        const mount = mounts.findLast(
          ({ type, options }) => type === 'cgroup' && options.includes(controller),
        );
        if (mount !== undefined) v1.set(controller, placeIn(mount, path));
      }
    }
  }
  return { v1, v2 };
}

interface CgroupMount {
  readonly type: string;
  readonly root: string;
  readonly place: string;
  readonly options: readonly string[];
}

function cgroupMounts(mountinfo: string): readonly CgroupMount[] {
  return mountinfo.split('\n').flatMap((line): readonly CgroupMount[] => {
    const [mount = '', source = ''] = line.split(' - ');
    const [, , , root = '', place = ''] = mount.split(' ');
    const [type = '', , options = ''] = source.split(' ');
    return type === 'cgroup' || type === 'cgroup2'
      ? [{ type, root, place, options: options.split(',') }]
      : [];
  });
}

/** A mount shows its hierarchy from `root` on. */
function placeIn({ root, place }: CgroupMount, path: string): string {
  const below =
    root !== '/' && (path === root || path.startsWith(`${root}/`)) ? path.slice(root.length) : path;
  return below === '/' ? place : `${place}${below}`;
}
