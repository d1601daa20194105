import { become, becomeWithDescriptors, inheritedDescriptors } from '../forward/become.ts';
import type { Call } from '../runtime/container.ts';

/** Become crun with the command line as it came. */
export async function forward({ line, env, crun }: Call): Promise<never> {
  const descriptors = inheritedDescriptors(line, env);
  return descriptors === 0
    ? become(crun(), line.args, env)
    : await becomeWithDescriptors(crun(), line.args, env, descriptors);
}
