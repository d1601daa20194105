/**
 * Variables that an engine or a shell sets for a process, and that say nothing to a guest. SERVICE_NAME only chose the guest.
 */
const noise: ReadonlySet<string> = new Set([
  'PATH',
  'TERM',
  'HOME',
  'HOSTNAME',
  'PWD',
  'SHLVL',
  'container',
  'SERVICE_NAME',
  'LISTEN_FDS',
  'LISTEN_PID',
  'LISTEN_FDNAMES',
]);

/** What the image or the user set of a container's environment; of a name that is there twice, the last. */
export function guestEnvironment(env: readonly string[]): readonly string[] {
  const values = new Map(env.map((entry) => [entry.split('=', 1)[0] as string, entry]));
  return [...values].filter(([name]) => !noise.has(name)).map(([, entry]) => entry);
}
