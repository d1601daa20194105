import { fstatSync } from 'node:fs';
import { type CommandLine, lastValue, parseVerbArgs } from './command-line.ts';

/**
 * Turn this process into another program: same pid, same stdio, same environment, its exit status ours.
 * Does not return. Descriptors above 2 are closed, because Node marks them so; see {@link becomeWithDescriptors}.
 */
export function become(program: string, args: readonly string[], env: NodeJS.ProcessEnv): never {
  // process.execve is typed as optional for Windows' sake.
  (process.execve as NonNullable<typeof process.execve>)(
    program,
    [program, ...args],
    env as Record<string, string>,
  );
  throw new Error(`execve of ${program} returned`);
}

/** How many descriptors from 3 upwards the caller wants the container to have. */
export function inheritedDescriptors(line: CommandLine, env: NodeJS.ProcessEnv): number {
  const written =
    line.verb === undefined
      ? undefined
      : lastValue(parseVerbArgs(line.verb, line.verbArgs).options, 'preserve-fds');
  return countOf(written) + countOf(env.LISTEN_FDS);
}

/**
 * Run crun for a command line that hands descriptors down. Node closes them in execve, a spawn with an explicit stdio
 * array does not; so here, and only here, we stay as crun's parent, pass signals on, and leave with its status.
 */
export async function becomeWithDescriptors(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  count: number,
): Promise<never> {
  const { spawn } = await import('node:child_process');
  const descriptors = Array.from({ length: count }, (_, index) => index + 3);
  const child = spawn(program, args, {
    env,
    stdio: [0, 1, 2, ...descriptors.map((fd) => (isOpen(fd) ? fd : ('ignore' as const)))],
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const) {
    process.on(signal, () => child.kill(signal));
  }
  const { constants } = await import('node:os');
  return await new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status, signal) => {
      process.exit(status ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

function countOf(text: string | undefined): number {
  const count = Number(text ?? 0);
  return Number.isInteger(count) && count > 0 && count < 1024 ? count : 0;
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}
