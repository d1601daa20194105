import { lstatSync } from 'node:fs';
import { readHostileText } from './hostile-file.ts';
import { type MachineFiles, qemuNames } from './places.ts';

/** The shell beside QEMU begins the file anew after so many lines. */
export const maxHistoryLines = 100;
/** More than that many are, unless QEMU has made them up. */
const maxHistoryBytes = 32 * 1024;

/** A change of a machine's state that its QEMU tells of. */
export interface QemuChange {
  /** Milliseconds since 1970, with fractions, by QEMU's word. */
  readonly time: number;
  readonly status: 'running' | 'paused' | 'stopping';
}

/**
 * What QEMU tells of the run that is going on: when its guest was ready, was held and went on, whoever asked for that, and why it ends.
 * QEMU can make all of it up, and only of itself.
 */
export function readHistory(files: Pick<MachineFiles, 'qemu'>): readonly QemuChange[] {
  const ready = lstatSync(`${files.qemu}/${qemuNames.ready}`, { throwIfNoEntry: false });
  const changes = parseHistory(readHostileText(`${files.qemu}/${qemuNames.history}`, maxHistoryBytes));
  if (ready === undefined) return changes;
  return [{ time: ready.mtimeMs, status: 'running' } as const, ...changes].toSorted(
    (a, b) => a.time - b.time,
  );
}

/** Whether its guest is held, by whomever. */
export function isPaused(files: Pick<MachineFiles, 'qemu'>): boolean {
  const text = readHostileText(`${files.qemu}/${qemuNames.history}`, maxHistoryBytes);
  return parseHistory(text).findLast(({ status }) => status !== 'stopping')?.status === 'paused';
}

const statusOf: Readonly<Record<string, QemuChange['status']>> = {
  STOP: 'paused',
  RESUME: 'running',
  SHUTDOWN: 'stopping',
};

/** The events of QEMU's that the launch script keeps, a line each. Pure. @see QEMU docs/interop/qmp-spec.rst, "Asynchronous events" */
export function parseHistory(text: string): readonly QemuChange[] {
  return text.split('\n').flatMap((line) => {
    const [, event = ''] = /"event": "(STOP|RESUME|SHUTDOWN)"/.exec(line) ?? [];
    const [, seconds, microseconds] =
      /"timestamp": \{"seconds": (\d{1,10}), "microseconds": (\d{1,6})\}/.exec(line) ?? [];
    const status = statusOf[event];
    if (status === undefined || seconds === undefined) return [];
    return [{ time: Number(seconds) * 1000 + Number(microseconds) / 1000, status }];
  });
}
