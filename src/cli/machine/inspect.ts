import { RuntimeError } from '../../base/runtime-error.ts';
import { withSeenAddresses } from '../../machine/seen-addresses.ts';
import { print } from '../print.ts';
import { asRuntimeError } from '../report-error.ts';
import type { MachineContext } from './context.ts';
import { fillTemplate } from './format.ts';

/** `machine inspect`: what is known of machines, in a list; one that is not there keeps no other from being shown. */
export async function inspectMachines(
  { machines }: MachineContext,
  names: Iterable<string>,
  format: string,
): Promise<number> {
  let status = 0;
  const found: object[] = [];
  for (const name of names) {
    try {
      const { record, directory, log } = machines.store.files(name);
      const [machine] = withSeenAddresses([await machines.get(name)]);
      if (machine === undefined) continue;
      const log_ = machine.manager === 'ucrun' ? { log } : {};
      found.push({ ...machine, files: { record, directory, ...log_ } });
    } catch (error) {
      const known = asRuntimeError(error);
      if (!(known instanceof RuntimeError)) throw error;
      status = 1;
      print(`ucrun: ${known.message}\n${known.hint === undefined ? '' : `hint: ${known.hint}\n`}`, 2);
    }
  }
  print(await render(found, format));
  return status;
}

async function render(found: readonly object[], format: string): Promise<string> {
  if (format === 'json') return `${JSON.stringify(found, undefined, 2)}\n`;
  if (format === 'yaml') {
    const { toYaml } = await import('./yaml.ts');
    return toYaml(found);
  }
  const rows = found.map((machine) =>
    Object.fromEntries(
      Object.entries(machine).map(([key, value]) => [
        key.charAt(0).toUpperCase() + key.slice(1),
        typeof value === 'string' ? value : (JSON.stringify(value) ?? ''),
      ]),
    ),
  );
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return fillTemplate(format, rows, columns, found);
}
