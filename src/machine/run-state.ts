import { existsSync } from 'node:fs';
import { readTextIfThere, writeFileAtomic } from '../host/files.ts';
import { processStartTime } from '../host/processes.ts';
import type { QmpPlace } from '../host/qmp.ts';
import { type MachineFiles, qemuNames } from './places.ts';

/** What ucrun keeps of a machine while it runs. */
export interface RunState {
  /** ISO 8601. */
  readonly started: string;
  /** Whom QEMU runs as; undefined: whoever runs ucrun. */
  readonly uid: number | undefined;
  /** Where a Nanos kernel leaves the exit code of a program that failed. */
  readonly klog: { readonly path: string; readonly offset: number } | undefined;
  /** The values that its guest ends with by a custom of its own, see guests/guest.ts. */
  readonly exitValues: Readonly<Record<number, 'ended' | 'crashed'>>;
}

export interface MachineProcess {
  readonly pid: number;
  readonly startTime: string;
}

export function writeRunState({ state }: MachineFiles, content: RunState): void {
  writeFileAtomic(state, `${JSON.stringify(content)}\n`, 0o600);
}

/** undefined: the machine does not run. */
export function readRunState({ state }: MachineFiles): RunState | undefined {
  const text = readTextIfThere(state);
  return text === undefined ? undefined : (JSON.parse(text) as RunState);
}

/** QEMU, as its wrapper wrote it down; it may be gone by now. */
export function readProcess({ pid }: MachineFiles): MachineProcess | undefined {
  return processesIn(pid)[0];
}

/** Whether somebody is there to write down how the machine ended, or will end. */
export function hasWrapper({ pid }: MachineFiles): boolean {
  const [, wrapper] = processesIn(pid);
  return wrapper !== undefined && isThere(wrapper);
}

/** Whether one waits to start the machine again. */
export function isRestarting({ restarting }: MachineFiles): boolean {
  const [waiting] = processesIn(restarting);
  return waiting !== undefined && isThere(waiting);
}

/** Whether a command shows the machine's console, and sees to what comes after. */
export function isAttached({ attached }: MachineFiles): boolean {
  const [found] = processesIn(attached);
  return found !== undefined && isThere(found);
}

/** Say that this process does. */
export function markAttached({ attached }: MachineFiles): void {
  markOwn(attached);
}

/** Say in a file that this process is there. */
export function markOwn(path: string): void {
  writeFileAtomic(path, `${process.pid} ${processStartTime(process.pid)}\n`, 0o600);
}

function processesIn(path: string): readonly MachineProcess[] {
  return [...(readTextIfThere(path) ?? '').matchAll(/(\d+) (\d+)/g)].map(([, pid, startTime = '']) => ({
    pid: Number(pid),
    startTime,
  }));
}

/** Whether that process is still there, and not another with the same number. */
export function isThere({ pid, startTime }: MachineProcess): boolean {
  return processStartTime(pid) === startTime;
}

/** Whether the guest has said that it runs, or QEMU of it. QEMU can make this up, and only of itself. */
export function isReady({ qemu }: MachineFiles): boolean {
  return existsSync(`${qemu}/${qemuNames.ready}`);
}

/** Where a machine's QEMU listens. */
export function qmpPlace({ run }: MachineFiles): QmpPlace {
  return { root: run, names: ['qemu', qemuNames.qmp] };
}
