import { RuntimeError } from '../../base/runtime-error.ts';

/** The error for a Nanos image whose bytes are not what they have to be. */
export function imageInvalid(problem: string): RuntimeError {
  return new RuntimeError('IMAGE_INVALID', `the Nanos image is damaged: ${problem}`, {
    hint: 'build it again with ops',
  });
}
