import { defaultPortStart } from '../unikernel/low-ports.ts';
import { readTextIfThere } from './files.ts';
import { runProgram } from './processes.ts';

/** The file shows the namespace of whoever reads it. */
const file = '/proc/sys/net/ipv4/ip_unprivileged_port_start';

/**
 * The first port at which every user of a network namespace may listen.
 * @param namespacePath undefined: our own namespace
 */
export function readPortStart(namespacePath: string | undefined): number {
  const text =
    namespacePath === undefined
      ? readTextIfThere(file)
      : runProgram('/usr/bin/nsenter', [`--net=${namespacePath}`, '--', 'cat', file], {
          env: { PATH: '/usr/bin:/bin' },
        }).stdout;
  // Kernels before 4.11 do not have it.
  return /^\d+\n$/.test(text ?? '') ? Number(text) : defaultPortStart;
}
