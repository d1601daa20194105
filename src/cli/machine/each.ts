import { RuntimeError } from '../../base/runtime-error.ts';
import type { Machine } from '../../machine/service.ts';
import { print } from '../print.ts';
import { asRuntimeError } from '../report-error.ts';
import type { MachineContext } from './context.ts';

/** What `--all` stands for. */
export interface AllMachines {
  readonly isAsked: boolean;
  readonly isMeant: (machine: Machine) => boolean;
}

/**
 * Do something with several machines, each by itself: one that fails keeps no other from it. A line each, with the name of what was
 * done on stdout and what failed on stderr.
 * @param names undefined: all of them that `isMeant` says
 * @returns the exit status: 1 if one has failed
 */
export async function withEach(
  context: MachineContext,
  names: readonly string[],
  all: AllMachines,
  work: (name: string) => Promise<readonly string[] | undefined>,
): Promise<number> {
  let status = 0;
  for (const name of await chosenMachines(context, names, all)) {
    try {
      const lines = (await work(name)) ?? [];
      print([name, ...lines.map((line) => `  ${line}`)].map((line) => `${line}\n`).join(''));
    } catch (error) {
      const known = asRuntimeError(error);
      if (known === undefined) throw error;
      status = 1;
      // Which of them it was: not every error has the machine's name.
      const message = known.message.includes(`"${name}"`)
        ? known.message
        : `machine "${name}": ${known.message}`;
      print(`ucrun: ${message}\n${known.hint === undefined ? '' : `hint: ${known.hint}\n`}`, 2);
    }
  }
  return status;
}

/**
 * The machines that a command is about, each once.
 * @throws RuntimeError USAGE if it names none, or some and all
 */
export async function chosenMachines(
  { machines }: MachineContext,
  names: readonly string[],
  all: AllMachines,
): Promise<ReadonlySet<string>> {
  if (all.isAsked && names.length > 0)
    throw new RuntimeError('USAGE', `option --all and the name "${names[0]}" exclude each other`, {
      hint: 'leave one of them out',
    });
  if (!all.isAsked && names.length === 0)
    throw new RuntimeError('USAGE', 'this needs the name of a machine', {
      hint: 'name one or more, or say --all',
    });
  return new Set(all.isAsked ? (await machines.list()).filter(all.isMeant).map(({ name }) => name) : names);
}
