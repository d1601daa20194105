import type { Machine } from '../../machine/service.ts';
import { isBrokenPipe, print } from '../print.ts';
import type { MachineContext } from './context.ts';

/**
 * Show a machine's console until it has ended. A signal presses its power button, a second one switches it off.
 * @returns the guest's exit status
 */
export async function attach({ machines }: MachineContext, started: Machine): Promise<number> {
  const { name } = started;
  const stop = new AbortController();
  let asked = 0;
  const onSignal = () => {
    asked++;
    // What goes wrong is seen by the end that does not come.
    void machines.stop(name, asked === 1 ? {} : { timeoutMs: 0 }).catch(() => {});
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  try {
    const since = Date.parse(started.started ?? started.created);
    const over = untilOver({ machines }, name).then((machine) => {
      // A last look at what the journal may still be putting down. A log of ours ends by itself.
      if (started.manager === 'systemd') setTimeout(() => stop.abort(), 500);
      return machine;
    });
    const shown = (async () => {
      for await (const { text } of machines.logs(name, {
        follow: true,
        since: started.ended === undefined ? since : since - 1000,
        until: undefined,
        tail: undefined,
        signal: stop.signal,
      }))
        print(`${text}\n`);
    })().catch((error: unknown) => {
      // Who has seen enough may still want the status. And journalctl is not asked to end, but ended.
      if (!isBrokenPipe(error) && !stop.signal.aborted) throw error;
    });
    const [ended] = await Promise.all([over, shown]);
    return ended?.exitStatus ?? 1;
  } finally {
    for (const signal of signals) process.removeListener(signal, onSignal);
  }
}

/** @returns the machine as it was last seen; undefined: it was removed before anybody saw its end */
async function untilOver(
  { machines }: Pick<MachineContext, 'machines'>,
  name: string,
): Promise<Machine | undefined> {
  const watching = new AbortController();
  let last: Machine | undefined;
  for await (const event of machines.watch({ signal: watching.signal })) {
    if (event.name !== name) continue;
    if (event.status === 'removed') break;
    last = event.machine;
    if (event.status === 'exited' || event.status === 'waiting' || event.status === 'broken') break;
  }
  watching.abort();
  return last;
}
