import type { ExitValues } from '../unikernel/guests/guest.ts';
import { exitStatuses } from '../unikernel/launch-script.ts';

/** How a QEMU ended, as far as it is known. What it wrote itself is not to be trusted, and can only be a wrong status. */
export interface MachineEnd {
  /** QEMU's exit status; 128 + n after signal n; undefined: it was never started. */
  readonly qemuStatus: number | undefined;
  /** The byte that the guest wrote to its status port. */
  readonly statusByte: number | undefined;
  /** The lowest byte of what a Nanos kernel left on its disk. */
  readonly klogStatus: number | undefined;
  /** The guest was asked to end, and whether it was then switched off. */
  readonly wasStopped: boolean;
  readonly wasSwitchedOff: boolean;
  /** QEMU's own words. */
  readonly errors: readonly string[];
  /** QEMU's last events, as JSON lines. */
  readonly lastEvents: string;
  readonly exitValues: ExitValues;
}

export interface GuestExit {
  readonly status: number;
  /** What there is to say of it. */
  readonly problem: string | undefined;
}

/**
 * What a guest's exit status is, by the same rules as in a container; they are in docs/guests.md, "The exit protocol".
 */
export function guestExit(end: MachineEnd): GuestExit {
  const { statusByte, klogStatus, wasStopped, wasSwitchedOff, qemuStatus, lastEvents, exitValues } = end;
  const { vmmFailed, crashed, switchedOff } = exitStatuses;
  const ended = (status: number, problem?: string): GuestExit => ({ status, problem });
  if (statusByte !== undefined) return ended(statusByte);
  if (klogStatus !== undefined && klogStatus !== 0)
    return ended(wasStopped && klogStatus === 15 ? switchedOff : klogStatus);
  if (wasSwitchedOff) return ended(switchedOff);
  const errors = end.errors.filter((line) => line !== '' && !isHarmless(line));
  if (qemuStatus === undefined || qemuStatus === 126 || qemuStatus === 127)
    return ended(vmmFailed, errors[0] ?? 'QEMU could not be started');
  if ((qemuStatus === 1 || qemuStatus === 134) && errors.length > 0) return ended(vmmFailed, errors.at(-1));
  if (qemuStatus === 137) return ended(137, 'QEMU was killed');
  if (qemuStatus === 0) {
    const [, state] = /"status": "(internal-error|io-error)"/.exec(lastEvents) ?? [];
    if (state !== undefined) return ended(vmmFailed, `QEMU stopped the machine: ${state}`);
    if (lastEvents.includes('"reason": "guest-panic"')) return ended(crashed, 'the guest panicked');
    if (lastEvents.includes('"reason": "guest-reset"'))
      return wasStopped ? ended(0) : ended(crashed, 'the guest reset itself');
    if (lastEvents.includes('"reason": "host-signal"')) return ended(switchedOff);
    return ended(0);
  }
  const meaning = qemuStatus % 2 === 1 ? exitValues[(qemuStatus - 1) / 2] : undefined;
  if (meaning === 'ended') return ended(0);
  if (meaning === 'crashed') return ended(crashed, 'the guest panicked');
  if ((qemuStatus > 128 && qemuStatus < 160) || qemuStatus % 2 === 0) return ended(qemuStatus);
  return ended((qemuStatus - 1) / 2);
}

function isHarmless(line: string): boolean {
  return line.includes(': warning: ') || line.includes(': terminating on signal ');
}

/** The statuses of QEMU's that mean that its guest ended well: 0, what is left of a guest's 0, and the guest's own. */
export function successStatuses(exitValues: ExitValues): readonly number[] {
  const own = Object.entries(exitValues).flatMap(([value, meaning]) =>
    meaning === 'ended' ? [2 * Number(value) + 1] : [],
  );
  return [1, ...own];
}
