import { spawnSync } from 'node:child_process';

/** The shells that a host's /bin/sh may be and that are here, each as a command with what makes it behave as sh. */
export function shells(): readonly (readonly [name: string, command: readonly string[]])[] {
  const known: readonly (readonly [string, readonly string[]])[] = [
    ['dash', ['dash']],
    ['bash', ['bash', '--posix', '--norc']],
    ['busybox', ['busybox', 'sh']],
  ];
  const here = known.filter(
    ([, [program = '', ...args]]) => spawnSync(program, [...args, '-c', ':']).status === 0,
  );
  return here.length > 0 ? here : [['sh', ['/bin/sh']]];
}
