import { RuntimeError } from '../base/runtime-error.ts';
import type { ContainerCall } from './container.ts';

/**
 * `checkpoint` is refused: crun's would freeze the monitor's process, and what came back would not be the machine.
 * @throws RuntimeError GUEST_UNSUPPORTED, always
 */
export function refuseCheckpoint({ id }: ContainerCall): never {
  throw new RuntimeError('GUEST_UNSUPPORTED', `cannot checkpoint container "${id}": it is a unikernel`, {
    hint: 'hold it with "pause" and let it go on with "resume", or stop it and start it anew',
  });
}
