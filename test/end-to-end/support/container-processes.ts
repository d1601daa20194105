import { readdirSync, readFileSync } from 'node:fs';

/**
 * Whether ucrun has a record of a container, by its whole id, so that it is a unikernel.
 * @param folder of ucrun's records
 */
export function isRecorded(id: string, folder = '/run/ucrun'): boolean {
  return readdirSync(folder).some((name) => name.endsWith(`:${id}`));
}

/** The processes whose cgroup has a container's id in its name: id → command line, its words separated by spaces. */
export function processesOf(id: string): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(id))
        found.set(Number(pid), readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
    } catch {
      // It has gone meanwhile.
    }
  }
  return found;
}

/** The process that runs the guest. @throws Error if there is none */
export function monitorOf(id: string): { readonly pid: number; readonly commandLine: string } {
  for (const [pid, commandLine] of processesOf(id))
    if (/^\S*qemu-system/.test(commandLine)) return { pid, commandLine };
  throw new Error(`container ${id} has no QEMU: ${[...processesOf(id).values()].join('; ')}`);
}
