import { become, becomeWithDescriptors, inheritedDescriptors } from '../forward/become.ts';
import { withCallersOpenFiles } from '../forward/open-files-limit.ts';
import type { Call } from '../runtime/container.ts';

/** Verbs that start a process which has its limits from crun. */
const startsProcess: ReadonlySet<string | undefined> = new Set(['create', 'run', 'exec']);

/**
 * Become crun with the command line as it came.
 * @param hasOwnLimit whether the container's specification sets the limit of open files, so that ours does not matter
 */
export async function forward({ line, env, crun }: Call, hasOwnLimit = false): Promise<never> {
  const isLimitInherited = startsProcess.has(line.verb) && !hasOwnLimit;
  const { program, args } = isLimitInherited
    ? withCallersOpenFiles(crun(), line.args)
    : { program: crun(), args: line.args };
  const descriptors = inheritedDescriptors(line, env);
  return descriptors === 0
    ? become(program, args, env)
    : await becomeWithDescriptors(program, args, env, descriptors);
}
