import type { Cgroup } from '../host/cgroup.ts';
import { parseExactly } from '../unikernel/spec.ts';

/**
 * What a container uses, in the form of runc's `events --stats`: what the kernel does not count is left out.
 * Times are in nanoseconds, sizes in bytes.
 * @see opencontainers/runc types/events.go
 */
export function cgroupStats(cgroup: Cgroup): Readonly<Record<string, unknown>> {
  return {
    cpu: cpuStats(cgroup),
    memory: memoryStats(cgroup),
    pids: {
      current: count(cgroup.read('pids', 'pids.current')),
      limit: count(cgroup.read('pids', 'pids.max')),
    },
    blkio: blkioStats(cgroup),
    hugetlb: {},
  };
}

/** How often the kernel has ended a process of the container for want of memory. */
export function outOfMemoryKills(cgroup: Cgroup): number {
  const file = cgroup.version('memory') === 1 ? 'memory.oom_control' : 'memory.events';
  return Number(table(cgroup.read('memory', file)).oom_kill ?? 0);
}

function cpuStats(cgroup: Cgroup): object {
  const stat = table(cgroup.read('cpu', 'cpu.stat'));
  const throttling = { periods: stat.nr_periods, throttledPeriods: stat.nr_throttled };
  if (cgroup.version('cpuacct') === 1) {
    const usage = (file: string) => cgroup.read('cpuacct', file);
    return {
      usage: {
        total: count(usage('cpuacct.usage')),
        percpu: usage('cpuacct.usage_percpu')?.trim().split(/\s+/).map(count),
        kernel: count(usage('cpuacct.usage_sys')) ?? 0,
        user: count(usage('cpuacct.usage_user')) ?? 0,
      },
      throttling: { ...throttling, throttledTime: stat.throttled_time },
    };
  }
  return {
    usage: {
      total: nanoseconds(stat.usage_usec),
      kernel: nanoseconds(stat.system_usec) ?? 0,
      user: nanoseconds(stat.user_usec) ?? 0,
    },
    throttling: { ...throttling, throttledTime: nanoseconds(stat.throttled_usec) },
  };
}

function memoryStats(cgroup: Cgroup): object {
  const read = (file: string) => cgroup.read('memory', file);
  const raw = table(read('memory.stat'));
  if (cgroup.version('memory') === 1) {
    const entry = (kind: string) => ({
      limit: count(read(`memory.${kind}limit_in_bytes`)) ?? 0,
      usage: count(read(`memory.${kind}usage_in_bytes`)),
      max: count(read(`memory.${kind}max_usage_in_bytes`)),
      failcnt: count(read(`memory.${kind}failcnt`)) ?? 0,
    });
    return {
      cache: raw.cache,
      usage: entry(''),
      swap: entry('memsw.'),
      kernel: entry('kmem.'),
      kernelTCP: entry('kmem.tcp.'),
      raw,
    };
  }
  const events = table(read('memory.events'));
  const limits = [read('memory.max'), read('memory.swap.max')].map((text) => text?.trim());
  return {
    cache: raw.file,
    usage: {
      limit: limit(read('memory.max')) ?? 0,
      usage: count(read('memory.current')),
      max: count(read('memory.peak')),
      failcnt: events.max ?? 0,
    },
    // As in version 1: memory and swap together.
    swap: {
      limit: limits.includes('max') ? unlimited() : sum(limits),
      usage: sum([read('memory.current'), read('memory.swap.current')]),
      failcnt: 0,
    },
    raw,
    event_count: events,
  };
}

/** One device and direction. */
interface BlkioEntry {
  readonly major: number;
  readonly minor: number;
  readonly op: string;
  readonly value: unknown;
}

function blkioStats(cgroup: Cgroup): object {
  if (cgroup.version('blkio') === 1) {
    const entries = (file: string) =>
      blkioEntries(cgroup.read('blkio', `blkio.throttle.${file}_recursive`) ?? '');
    return {
      ioServiceBytesRecursive: entries('io_service_bytes'),
      ioServicedRecursive: entries('io_serviced'),
    };
  }
  const text = cgroup.read('io', 'io.stat') ?? '';
  return {
    ioServiceBytesRecursive: ioEntries(text, { rbytes: 'Read', wbytes: 'Write' }),
    ioServicedRecursive: ioEntries(text, { rios: 'Read', wios: 'Write' }),
  };
}

/** `8:0 Read 4096`, a line for each. */
function blkioEntries(text: string): readonly BlkioEntry[] {
  return [...text.matchAll(/^(\d+):(\d+) (\w+) (\d+)$/gm)].map(([, major, minor, op = '', value]) => ({
    major: Number(major),
    minor: Number(minor),
    op,
    value: count(value),
  }));
}

/** `8:0 rbytes=4096 wbytes=0 rios=1 …`, a line for each device. */
function ioEntries(text: string, operations: Readonly<Record<string, string>>): readonly BlkioEntry[] {
  return [...text.matchAll(/^(\d+):(\d+) (.*)$/gm)].flatMap(([, major, minor, fields = '']) =>
    [...fields.matchAll(/(\w+)=(\d+)/g)].flatMap(([, key = '', value]): readonly BlkioEntry[] => {
      const op = operations[key];
      return op === undefined
        ? []
        : [{ major: Number(major), minor: Number(minor), op, value: count(value) }];
    }),
  );
}

/** A number that JSON.stringify() writes with all its digits; undefined for any other word, such as `max`. */
function count(text: string | undefined): unknown {
  const digits = text?.trim();
  return digits !== undefined && /^\d+$/.test(digits) ? parseExactly(digits) : undefined;
}

/** No limit is the largest there is, as runc has it. */
function limit(text: string | undefined): unknown {
  return text?.trim() === 'max' ? unlimited() : count(text);
}

function unlimited(): unknown {
  return parseExactly('18446744073709551615');
}

/** A file that is not there counts nothing. */
function sum(texts: readonly (string | undefined)[]): number {
  return texts.reduce((total, text) => total + Number(text ?? 0), 0);
}

function nanoseconds(microseconds: unknown): number | undefined {
  return microseconds === undefined ? undefined : Number(microseconds) * 1000;
}

/** `key 123`, a line for each. */
function table(text: string | undefined): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    [...(text ?? '').matchAll(/^(\S+) (\d+)$/gm)].map(([, key, value]) => [key, count(value)]),
  );
}
