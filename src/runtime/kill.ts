import { assertNever } from '../base/assert-never.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { become } from '../forward/become.ts';
import { parseVerbArgs } from '../forward/command-line.ts';
import { runInPlace } from '../host/processes.ts';
import { qmpCommand } from '../host/qmp.ts';
import { parseSignal, signalMeaning } from '../unikernel/signals.ts';
import type { ContainerCall } from './container.ts';
import { isAlive } from './init-process.ts';
import { type ContainerRecord, readRecord } from './record.ts';

/** QEMU answers in microseconds; one that does not is not worth an engine's patience. */
const qmpTimeoutMs = 500;

/**
 * `kill` for a unikernel container. Whatever it means, crun has the word, since it knows whether there is a process to signal,
 * and engines know its words.
 *
 * For a signal that asks to end: tell the sandbox's first process, which waits the grace period and then switches the machine off
 * (see launch-script.ts), then press the guest's power button. In this order, since a guest may be gone a moment after the
 * button. --all is not passed on: it would end QEMU at once.
 * @returns the exit status
 * @throws RuntimeError USAGE for a signal that is none
 */
export async function killContainer(call: ContainerCall): Promise<number> {
  const { globalArgs, verbArgs } = call.line;
  const text = parseVerbArgs('kill', verbArgs).positionals[1] ?? 'TERM';
  const signal = parseSignal(text);
  if (signal === undefined) {
    throw new RuntimeError('USAGE', `unknown signal "${text}"`, {
      hint: 'give a number or a name such as 15, TERM or SIGTERM',
    });
  }
  const crun = (...args: readonly string[]) => become(call.crun(), [...globalArgs, ...args], call.env);
  const meaning = signal === 0 ? 'ignored' : signalMeaning(signal);
  switch (meaning) {
    case 'power-button': {
      const status = runInPlace(call.crun(), [...globalArgs, 'kill', call.id, 'TERM'], call.env);
      const record = status === 0 ? readRecord(call.paths) : undefined;
      if (record !== undefined) await pressPowerButton(call, record);
      return status;
    }
    case 'kill':
      return become(call.crun(), call.line.args, call.env);
    case 'pause':
      return crun('pause', call.id);
    case 'resume':
      return crun('resume', call.id);
    case 'ignored':
      // Every program ignores it unless it asked for it, so this only finds out whether the container runs.
      return crun('kill', call.id, 'URG');
    default:
      return assertNever(meaning);
  }
}

/** Press the power button of a guest that has one, if its machine is there. */
export async function pressPowerButton(call: ContainerCall, record: ContainerRecord): Promise<void> {
  if (!record.machine.powerButton || record.init === undefined || !isAlive(record.init)) return;
  const isPressed = await qmpCommand(record.init.pid, 'system_powerdown', qmpTimeoutMs);
  call.log('power button', { isPressed });
}
