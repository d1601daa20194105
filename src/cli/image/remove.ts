import { findFolder } from '../../host/registry.ts';
import { removeEntry } from '../../host/registry-store.ts';
import { checkName } from '../../unikernel/detect.ts';
import { asRuntimeError } from '../report-error.ts';
import type { Answer, ImageContext } from './context.ts';
import { refuseInUse } from './in-use.ts';
import { refusePackaged } from './packaged.ts';

/** `image rm`: remove unikernels. One that cannot be removed keeps no other from it. */
export function imageRemove(context: ImageContext, names: readonly string[], force: boolean): Answer {
  const results = [...new Set(names)].map((name) => {
    try {
      remove(context, name, force);
      return { name, removed: true };
    } catch (error) {
      const known = asRuntimeError(error);
      if (known === undefined) throw error;
      return { name, removed: false, problem: known.message, hint: known.hint };
    }
  });
  return {
    text: results.flatMap(({ name, removed }) => (removed ? [`${name}\n`] : [])).join(''),
    json: results,
    notes: results.flatMap(({ problem, hint }) => [
      ...(problem === undefined ? [] : [`ucrun: ${problem}`]),
      ...(hint === undefined ? [] : [`hint: ${hint}`]),
    ]),
    status: results.every(({ removed }) => removed) ? 0 : 1,
  };
}

function remove(context: ImageContext, name: string, force: boolean): void {
  const directory = findFolder(context.registries, checkName(name));
  refusePackaged(context.registries.folders, name, directory);
  if (!force) refuseInUse(context, name, directory);
  removeEntry(directory);
}
