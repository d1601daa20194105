import { dirname } from 'node:path';
import { RuntimeError } from '../../base/runtime-error.ts';

/** Where packages put unikernels; the last of the default registries. */
const packagedRegistry = '/usr/share/ucrun/unikernels';

/**
 * Refuse to remove what a package has installed: its manager would miss it, and bring it back with the next upgrade.
 * @param registries of the configuration; whoever writes to that directory, as its first one, may remove from it
 * @throws RuntimeError UNIKERNEL_PACKAGED
 */
export function refusePackaged(registries: readonly string[], name: string, directory: string): void {
  const [own] = registries;
  const registry = dirname(directory);
  if (registry !== packagedRegistry || registry === own) return;
  throw new RuntimeError('UNIKERNEL_PACKAGED', `unikernel "${name}" in ${registry} belongs to a package`, {
    hint: `remove that package, or have another one in its place, with "ucrun image add ${name}"`,
  });
}
