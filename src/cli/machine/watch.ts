import type { Machine, MachineEvent } from '../../machine/service.ts';
import { Interrupted, interruptible } from '../image/interruptible.ts';
import { isBrokenPipe, print } from '../print.ts';
import { table } from '../table.ts';
import type { MachineContext } from './context.ts';
import { statusText } from './list.ts';

/** @param json undefined: a table where a terminal shows it */
export async function watchStates(
  { machines }: MachineContext,
  names: readonly string[],
  json: boolean | undefined,
): Promise<number> {
  for (const name of names) machines.store.read(name);
  const isTable = json === false || (json === undefined && process.stdout.isTTY === true);
  const show = isTable ? updatingTable() : showLine;
  try {
    await interruptible(async (signal) => {
      for await (const event of machines.watch({ signal }))
        if (names.length === 0 || names.includes(event.name)) show(event);
    });
  } catch (error) {
    if (!(error instanceof Interrupted) && !isBrokenPipe(error)) throw error;
  }
  return 0;
}

/** A line of JSON for a program. */
function showLine({ time, name, status, machine }: MachineEvent): void {
  const { manager, pid, exitStatus, problem, restarts } = machine ?? {};
  print(`${JSON.stringify({ time, name, status, manager, pid, exitStatus, problem, restarts })}\n`);
}

/** A table that is drawn over itself. @see console_codes(4) */
function updatingTable(): (event: MachineEvent) => void {
  const known = new Map<string, Machine>();
  let height = 0;
  return ({ name, machine }) => {
    if (machine === undefined) known.delete(name);
    else known.set(name, machine);
    const now = Date.now();
    const rows = [...known.values()].map((found) => [
      found.name,
      statusText(found, now),
      found.manager,
      found.pid === undefined ? '-' : String(found.pid),
    ]);
    const text = table([['NAME', 'STATUS', 'MANAGER', 'PID'], ...rows]);
    print(`${height > 0 ? `\x1b[${height}A` : ''}\x1b[J${text}`);
    height = rows.length + 1;
  };
}
