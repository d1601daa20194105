import { exists } from '../../host/files.ts';
import { registriesFor } from '../../host/registry.ts';
import { imageList } from '../image/list.ts';
import { type Check, not, ok } from './check.ts';
import type { DoctorContext } from './context.ts';

interface Entry {
  readonly name: string;
  readonly problem?: string;
}

/** The unikernels that SERVICE_NAME can name. */
export function registryChecks({ config, env }: DoctorContext): readonly Check[] {
  const registries = registriesFor(config, env);
  const entries = imageList({ registries }).json as readonly Entry[];
  const places = [...registries.folders, ...registries.opsImages].filter(exists);
  return registryCheck(entries, places, registries.folders[0]);
}

/** What is to be said of the registries. Pure. */
export function registryCheck(
  entries: readonly Entry[],
  places: readonly string[],
  first: string | undefined,
): readonly Check[] {
  const what = 'registry';
  const broken = entries.filter(({ problem }) => problem !== undefined);
  const whole = entries.length - broken.length;
  const summary =
    entries.length === 0
      ? not(
          'note',
          what,
          'no unikernels',
          `"ucrun image add" and "ucrun image import" put some into ${first ?? 'a registry'}`,
        )
      : ok(what, `${whole} of ${entries.length} unikernels can be read, in ${places.join(', ')}`);
  return [
    summary,
    ...broken.map(({ name, problem = '' }) =>
      not('warning', `unikernel ${name}`, problem, `correct its unikernel.json, or: ucrun image rm ${name}`),
    ),
  ];
}
