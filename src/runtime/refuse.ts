import { RuntimeError } from '../base/runtime-error.ts';
import type { ContainerCall } from './container.ts';

/**
 * `exec` in a unikernel container is refused: what it started would run on the host's kernel, beside the guest, and look as if it
 * ran in it.
 * @throws RuntimeError EXEC_REFUSED, always
 */
export function refuseExec({ id }: ContainerCall): never {
  throw new RuntimeError(
    'EXEC_REFUSED',
    `cannot run a command in container "${id}": it is a unikernel, which has no other programs`,
    {
      hint: 'read its console with "logs", type to it with "attach", or reach it over the network',
    },
  );
}

/**
 * `checkpoint` is refused: crun's would freeze the monitor's process, and what came back would not be the machine.
 * @throws RuntimeError GUEST_UNSUPPORTED, always
 */
export function refuseCheckpoint({ id }: ContainerCall): never {
  throw new RuntimeError('GUEST_UNSUPPORTED', `cannot checkpoint container "${id}": it is a unikernel`, {
    hint: 'hold it with "pause" and let it go on with "resume", or stop it and start it anew',
  });
}
