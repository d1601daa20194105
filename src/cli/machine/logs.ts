import { RuntimeError } from '../../base/runtime-error.ts';
import { Interrupted, interruptible } from '../image/interruptible.ts';
import { isBrokenPipe, print } from '../print.ts';
import type { MachineContext } from './context.ts';
import { parseTime } from './times.ts';

export interface LogsOptions {
  readonly follow: boolean;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly tail?: string | undefined;
  readonly timestamps: boolean;
}

/** `machine logs`: what a machine has written to its console. @throws RuntimeError MACHINE_UNKNOWN, USAGE */
export async function showLogs(
  { machines }: MachineContext,
  name: string,
  options: LogsOptions,
): Promise<number> {
  const now = Date.now();
  const time = (text: string | undefined, option: string) =>
    text === undefined ? undefined : parseTime(text, option, now);
  const wanted = {
    follow: options.follow,
    since: time(options.since, '--since'),
    until: time(options.until, '--until'),
    tail: parseTail(options.tail),
  };
  try {
    await interruptible(async (signal) => {
      for await (const line of machines.logs(name, { ...wanted, signal }))
        print(options.timestamps ? `${line.time} ${line.text}\n` : `${line.text}\n`);
    });
  } catch (error) {
    // Who has seen enough ends it so.
    if (error instanceof Interrupted || isBrokenPipe(error)) return 0;
    throw error;
  }
  return 0;
}

function parseTail(text: string | undefined): number | undefined {
  if (text === undefined || text === 'all') return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new RuntimeError('USAGE', `option --tail is "${text}", not a number of lines`, {
    hint: 'write a number, or all',
  });
}
