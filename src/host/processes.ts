import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { parseSignal } from '../unikernel/signals.ts';
import { listDirectory } from './files.ts';

/** How a program that we waited for ended. `status` is 128 + n after death by signal n. */
export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
}

const maxOutputBytes = 16 * 1024 * 1024;

/** Run a program to its end and keep what it prints. @throws the spawn error if it cannot be started */
export function runProgram(
  program: string,
  args: readonly string[],
  { input, env, timeoutMs }: RunOptions,
): Finished {
  const result = spawnSync(program, args, {
    env,
    encoding: 'utf8',
    input: input ?? '',
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: maxOutputBytes,
  });
  if (result.error !== undefined && !isErrno(result.error, 'ETIMEDOUT')) throw result.error;
  return { status: statusOf(result), stdout: result.stdout, stderr: result.stderr };
}

/** Run a program to its end on our own stdin, stdout and stderr. @returns its status, 128 + n after signal n */
export function runInPlace(program: string, args: readonly string[], env: NodeJS.ProcessEnv): number {
  const result = spawnSync(program, args, { env, stdio: 'inherit' });
  if (result.error !== undefined) throw result.error;
  return statusOf(result);
}

/**
 * Start a program on our own stdin, stdout and stderr and in a session of its own, to outlive us.
 * @returns its pid
 * @throws Error if it cannot be started
 */
export function spawnInPlace(program: string, args: readonly string[]): number {
  const child = spawn(program, args, { env: {}, stdio: 'inherit', detached: true });
  if (child.pid !== undefined) return child.pid;
  child.on('error', () => {}); // which comes later, and says no more
  throw new Error(`cannot start ${program}`);
}

/**
 * When a process started, in clock ticks since boot: with the pid it names a process for good. undefined if it is gone.
 * @see proc_pid_stat(5), field 22
 */
export function processStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold anything, so count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}

/**
 * The child of a process that runs a program: told by the file itself, since a process can change its name and arguments.
 * undefined if there is none, or the kernel does not say.
 * @see proc_pid_children(5)
 */
export function findChild(pid: number, program: string): number | undefined {
  const file = fileId(program);
  if (file === undefined) return undefined;
  return childrenOf(pid).find((child) => fileId(`/proc/${child}/exe`) === file);
}

function childrenOf(pid: number): readonly number[] {
  try {
    return [...readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').matchAll(/\d+/g)].map(Number);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return [];
    throw error;
  }
}

function fileId(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ESRCH', 'EACCES')) return undefined;
    throw error;
  }
}

function statusOf(result: {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}): number {
  return result.status ?? 128 + (parseSignal(result.signal ?? '') ?? 0);
}

/** The processes, other than ourselves, that have this text as one of their arguments. */
export function findProcessesWithArgument(argument: string): readonly number[] {
  const pids = listDirectory('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((pid) => pid !== process.pid && hasArgument(pid, argument));
}

/** Whether a process has this text as one of its arguments; not if it is gone, or another user's business. */
export function hasArgument(pid: number, argument: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(argument);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES')) return false;
    throw error;
  }
}
