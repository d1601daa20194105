import { readFile } from 'node:fs/promises';

/** A file of a cgroup in either version: v1's controller and file, v2's file. */
export type CgroupFile = readonly [controller: string, v1: string, v2: string];

export const cgroupFiles = {
  memoryLimit: ['memory', 'memory.limit_in_bytes', 'memory.max'],
  memoryPeak: ['memory', 'memory.max_usage_in_bytes', 'memory.peak'],
  pids: ['pids', 'pids.max', 'pids.max'],
  cpuset: ['cpuset', 'cpuset.cpus', 'cpuset.cpus'],
  cpuQuota: ['cpu', 'cpu.cfs_quota_us', 'cpu.max'],
  ioLimits: ['blkio', 'blkio.throttle.write_bps_device', 'io.max'],
  cpuShares: ['cpu', 'cpu.shares', 'cpu.weight'],
} as const satisfies Readonly<Record<string, CgroupFile>>;

/** Which of the two versions limits a process, and how to read its cgroup's files. */
export interface Cgroup {
  readonly version: 1 | 2;
  /** @returns the text without the end of the line; undefined if this kernel has no such file */
  read(file: CgroupFile): Promise<string | undefined>;
}

export async function cgroupOf(pid: number): Promise<Cgroup> {
  const lines = (await readFile(`/proc/${pid}/cgroup`, 'utf8')).split('\n').map((line) => line.split(':'));
  const paths = new Map(
    lines.flatMap(([, controllers = '', path = '']) => controllers.split(',').map((name) => [name, path])),
  );
  const version = paths.has('memory') ? 1 : 2;
  return {
    version,
    async read([controller, v1, v2]) {
      const path = version === 1 ? `${controller}${paths.get(controller)}/${v1}` : `${paths.get('')}/${v2}`;
      const text = await readFile(`/sys/fs/cgroup/${path}`, 'utf8').catch(() => undefined);
      return text?.trim();
    },
  };
}
