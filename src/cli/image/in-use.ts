import { RuntimeError } from '../../base/runtime-error.ts';
import { exists } from '../../host/files.ts';
import { machinesUsing } from '../../machine/unikernel-use.ts';
import { containersUsing } from '../../runtime/unikernel-use.ts';
import type { ImageContext } from './context.ts';

/** @throws RuntimeError UNIKERNEL_IN_USE if a machine or a container of this user's has files of a unikernel */
export function refuseInUse(
  { stateRoot, env }: Pick<ImageContext, 'stateRoot' | 'env'>,
  name: string,
  directory: string,
): void {
  if (!exists(directory)) return;
  const machine = machinesUsing(name, env)[0];
  if (machine !== undefined) {
    throw new RuntimeError('UNIKERNEL_IN_USE', `machine "${machine}" is made of the unikernel "${name}"`, {
      hint: `remove it first, with "ucrun machine rm"; "ucrun image rm --force" removes the unikernel all the same`,
    });
  }
  const ids = containersUsing(stateRoot, directory);
  if (ids.length === 0) return;
  const which = ids.length === 1 ? `container ${ids[0]} uses` : `containers ${ids.join(', ')} use`;
  throw new RuntimeError('UNIKERNEL_IN_USE', `${which} the unikernel "${name}"`, {
    hint: `remove ${ids.length === 1 ? 'it' : 'them'} first; "ucrun image rm --force" removes the unikernel all the same`,
  });
}
