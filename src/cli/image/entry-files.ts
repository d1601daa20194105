import { statSync } from 'node:fs';
import { type RegistryEntry, resolveInEntry } from '../../host/registry.ts';
import type { UnikernelDefinition } from '../../unikernel/definition.ts';

/** Where a unikernel's files are on the host. */
export interface EntryFiles {
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
  readonly disks: readonly string[];
}

/** @throws RuntimeError KERNEL_MISSING */
export function filesOf(entry: RegistryEntry, { kernel, initrd, disks }: UnikernelDefinition): EntryFiles {
  return {
    kernel: kernel === undefined ? undefined : resolveInEntry(entry, kernel, 'kernel'),
    initrd: initrd === undefined ? undefined : resolveInEntry(entry, initrd, 'initrd'),
    disks: disks.map(({ file }) => resolveInEntry(entry, file, 'disk')),
  };
}

/** How much there is in files that may have holes. */
export function sizeOf({ kernel, initrd, disks }: EntryFiles): number {
  return [kernel, initrd, ...disks]
    .filter((path) => path !== undefined)
    .reduce((total, path) => total + statSync(path).size, 0);
}
