import { spawnSync } from 'node:child_process';

/** The POSIX shells that a host's /bin/sh may be and that are here, each as a command and its first arguments. */
export function shells(): readonly (readonly [name: string, command: readonly string[]])[] {
  const known: readonly (readonly [string, readonly string[]])[] = [
    ['sh', ['/bin/sh']],
    ['dash', ['dash']],
    ['bash', ['bash', '--posix']],
    ['busybox', ['busybox', 'sh']],
  ];
  return known.filter(([, [program = '', ...args]]) => spawnSync(program, [...args, '-c', ':']).status === 0);
}
