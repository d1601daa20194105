import { readFile } from 'node:fs/promises';
import { runWithOutputTo } from './command.ts';
import { ucrun } from './environment.ts';

/** A moment in the life of a ucrun: just before a certain system call. */
export interface KillPoint {
  readonly systemCall: string;
  /** 1 for the first call of that name. */
  readonly occurrence: number;
  /** The call as strace shows it. */
  readonly text: string;
}

/** Every system call that changes something. Node does its work for us on the main thread, the only one that is traced. */
const effects = [
  ...['execve', 'fork', 'vfork', 'clone', 'clone3', 'connect', 'bind', 'socket'],
  ...['mkdir', 'mkdirat', 'rename', 'renameat', 'renameat2', 'link', 'linkat', 'symlink', 'symlinkat'],
  ...['unlink', 'unlinkat', 'rmdir', 'chmod', 'fchmod', 'fchmodat', 'chown', 'fchown', 'fchownat', 'lchown'],
  ...['write', 'writev', 'pwrite64', 'ftruncate', 'copy_file_range', 'sendfile', 'mount', 'umount2', 'setns'],
];

/** Wake-ups of Node's other threads, and their making. */
const isNoise = (text: string) => /^write\(\d+, "(\*|\\1\\0)|^clone3?\(.*CLONE_THREAD/.test(text);

const straceArgs = (trace: string) => [
  '--quiet=all',
  // That it was killed is shown.
  '--signal=KILL',
  `--output=${trace}`,
  `--trace=${effects.join(',')}`,
];

/** Run ucrun to its end, and note each moment that could have been its last. What it becomes, crun, is not looked at. */
export async function killPointsOf(args: readonly string[], trace: string): Promise<readonly KillPoint[]> {
  const status = await runWithOutputTo(`${trace}.output`, ['strace', ...straceArgs(trace), ucrun, ...args]);
  if (status !== 0) {
    throw new Error(`exit status ${status}: ${args.join(' ')}\n${await readFile(`${trace}.output`, 'utf8')}`);
  }
  // The first call is the one by which strace starts ucrun; strace does not count it either.
  const [, ...lines] = (await readFile(trace, 'utf8')).split('\n');
  const points: KillPoint[] = [];
  const counts = new Map<string, number>();
  for (const text of lines) {
    const systemCall = /^\w+(?=\()/.exec(text)?.[0];
    if (systemCall === undefined) continue;
    const occurrence = (counts.get(systemCall) ?? 0) + 1;
    counts.set(systemCall, occurrence);
    if (!isNoise(text)) points.push({ systemCall, occurrence, text });
    if (systemCall === 'execve') break;
  }
  return points;
}

/**
 * The command that runs ucrun and kills it at a point. Now and then it misses the point: Node's wake-ups of its threads, which are
 * counted with the rest, are not always as many. {@link wasKilled} tells.
 */
export function killedAt({ systemCall, occurrence }: KillPoint, trace: string): readonly string[] {
  return ['strace', ...straceArgs(trace), `--inject=${systemCall}:signal=KILL:when=${occurrence}`, ucrun];
}

/** Whether the last command of {@link killedAt} came to its point. */
export async function wasKilled(trace: string): Promise<boolean> {
  return (await readFile(trace, 'utf8')).includes('+++ killed by SIGKILL +++');
}
