import { readFileSync } from 'node:fs';
import { isErrno } from '../../base/errno.ts';

/** What a process takes. */
export interface Usage {
  readonly residentBytes: number;
  /** Of one processor, since it started: 1 is one that was always busy. */
  readonly cpuShare: number;
}

/** The kernel's clock for processes; the same on every architecture that Linux has. @see proc(5) */
const ticksPerSecond = 100;

/** @returns undefined for a process that is gone */
export function usageOf(pid: number): Usage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    const [upSeconds = 0] = readFileSync('/proc/uptime', 'utf8').split(' ').map(Number);
    const aliveSeconds = Math.max(0.01, upSeconds - Number(fields[19]) / ticksPerSecond);
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return {
      residentBytes: Number(resident ?? 0) * 1024,
      cpuShare: ticks / ticksPerSecond / aliveSeconds,
    };
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES')) return undefined;
    throw error;
  }
}
