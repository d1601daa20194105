import type { PassedEnvironment } from '../unikernel/definition.ts';

/** Variables that an engine or a shell sets for a process, and that say nothing to most guests. */
const noise: ReadonlySet<string> = new Set(['PATH', 'TERM', 'HOME', 'HOSTNAME', 'PWD', 'SHLVL', 'container']);

/** What would mislead every guest: SERVICE_NAME only chose it, and it has no descriptors. */
const notForGuests: ReadonlySet<string> = new Set([
  'SERVICE_NAME',
  'LISTEN_FDS',
  'LISTEN_PID',
  'LISTEN_FDNAMES',
]);

/**
 * What a guest is to have of a container's environment; of a name that is there twice, the last.
 * @param passed only what the image or the user set, or all
 */
export function guestEnvironment(env: readonly string[], passed: PassedEnvironment): readonly string[] {
  const values = new Map(env.map((entry) => [entry.split('=', 1)[0] as string, entry]));
  return [...values]
    .filter(([name]) => !notForGuests.has(name) && (passed === 'all' || !noise.has(name)))
    .map(([, entry]) => entry);
}
