import type { MachineSettings, PlannedSizes } from './record.ts';

/** What a machine may take of the host's memory, in MiB: the guest's, and what QEMU needs for it. */
export function memoryMax({ memoryMiB, overheadMiB }: PlannedSizes): number {
  return memoryMiB + overheadMiB;
}

/** What it may take of processors, in hundredths of one; undefined: as much as its own can. */
export function cpuQuota({ cpus }: Pick<MachineSettings, 'cpus'>): number | undefined {
  return cpus === undefined ? undefined : Math.max(1, Math.round(cpus * 100));
}
