import { readTextIfThere } from '../host/files.ts';

/**
 * Node raises its soft limit of open files to the hard one as it starts, and crun hands its own limit to a container whose
 * specification sets none. So the engine's is given back, which the parent process still has.
 * @returns the program and the arguments to become
 * @see prlimit(1); nodejs/node src/node.cc, PlatformInit
 */
export function withCallersOpenFiles(
  program: string,
  args: readonly string[],
): { readonly program: string; readonly args: readonly string[] } {
  const own = openFilesLimit('self');
  const callers = openFilesLimit(String(process.ppid));
  if (own === undefined || callers === undefined || own.soft === callers.soft || own.hard !== callers.hard) {
    return { program, args };
  }
  return { program: '/usr/bin/prlimit', args: [`--nofile=${callers.soft}:`, program, ...args] };
}

/** @see proc_pid_limits(5) */
function openFilesLimit(pid: string): { readonly soft: string; readonly hard: string } | undefined {
  const limits = readTextIfThere(`/proc/${pid}/limits`) ?? '';
  const [, soft, hard] = /^Max open files +(\S+) +(\S+)/m.exec(limits) ?? [];
  return soft === undefined || hard === undefined ? undefined : { soft, hard };
}
