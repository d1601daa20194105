import type { MachineRecord, MachineSettings, PlannedSizes } from './record.ts';

/** What a machine may take of the host's memory, in MiB: the guest's, and what QEMU needs for it. */
export function memoryMax({ memoryMiB, overheadMiB }: PlannedSizes): number {
  return memoryMiB + overheadMiB;
}

/** What its unit allows: one that runs may have begun with more than it is to have from its next start on. */
export function limitOf({ plan, limitMiB = 0 }: Pick<MachineRecord, 'plan' | 'limitMiB'>): number {
  return Math.max(memoryMax(plan), limitMiB);
}

/** What it may take of processors, in hundredths of one; undefined: as much as its own can. */
export function cpuQuota({ cpus }: Pick<MachineSettings, 'cpus'>): number | undefined {
  return cpus === undefined ? undefined : Math.max(1, Math.round(cpus * 100));
}
