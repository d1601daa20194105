import { assertNever } from '../base/assert-never.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { become } from '../forward/become.ts';
import { parseVerbArgs } from '../forward/command-line.ts';
import { runInPlace, runProgram } from '../host/processes.ts';
import { parseSignal, type SignalMeaning, signalMeaning } from '../unikernel/signals.ts';
import type { ContainerCall } from './container.ts';
import { pressPowerButton } from './monitor.ts';
import { isPaused, keepStopForResume, pauseContainer, resumeContainer } from './pause.ts';
import { readRecord } from './record.ts';
import { meaningIn } from './scope-stop.ts';

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
  const meaning = signal === 0 ? 'ignored' : meaningFor(call, signal);
  switch (meaning) {
    case 'power-button': {
      const status = runInPlace(call.crun(), [...globalArgs, 'kill', call.id, 'TERM'], call.env);
      if (status !== 0) return status;
      if (isPaused(call)) {
        keepStopForResume(call);
        return status;
      }
      const record = readRecord(call.paths);
      if (record !== undefined) await pressPowerButton(call, record);
      return status;
    }
    case 'kill': {
      if (!isPaused(call)) return become(call.crun(), call.line.args, call.env);
      const status = runInPlace(call.crun(), call.line.args, call.env);
      // Under v1 of the cgroups even KILL waits until a process is thawed. Under v2 it is gone by now.
      if (status === 0) runProgram(call.crun(), [...globalArgs, 'resume', call.id], { env: call.env });
      return status;
    }
    case 'pause':
      return await pauseContainer(call);
    case 'resume':
      return await resumeContainer(call);
    case 'ignored':
      // Every program ignores it unless it asked for it, so this only finds out whether the container runs.
      return become(call.crun(), [...globalArgs, 'kill', call.id, 'URG'], call.env);
    default:
      return assertNever(meaning);
  }
}

/** The record is not read for the usual signals, so that they end a container whose record is broken. */
function meaningFor(call: ContainerCall, signal: number): SignalMeaning {
  const usual = signalMeaning(signal);
  return usual === 'ignored' ? meaningIn(readRecord(call.paths)?.annotations ?? {}, signal) : usual;
}
