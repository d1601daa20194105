import { readFileSync } from 'node:fs';
import { fail, output } from './run.ts';

/** QEMU's command line, program first, as ucrun has made it for a container that runs. */
export function machineOf(container: string): readonly string[] {
  const processes = output('podman', ['top', container, 'hpid', 'comm']);
  const [, pid] = /^\s*(\d+)\s+qemu/m.exec(processes) ?? fail(`no QEMU runs in ${container}:\n${processes}`);
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
}

/**
 * The same machine as a program of its own.
 * @param replaced texts of the sandbox's, such as paths, and what is in their place; the first that fits counts
 */
export function bareMachine(
  machine: readonly string[],
  replaced: readonly (readonly [text: string | RegExp, by: string])[],
): readonly string[] {
  // No launch script is there to start the machine over the channel for events, so it starts by itself.
  return machine
    .filter((arg) => arg !== '-S')
    .map((arg) =>
      replaced.reduce(
        (text, [what, by]) => (typeof what === 'string' ? text.replaceAll(what, by) : text.replace(what, by)),
        arg.replace(/^pipe,id=events,.*/, 'null,id=events'),
      ),
    );
}
