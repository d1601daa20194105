import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isErrno } from '../base/errno.ts';
import { qmpCommand } from '../host/qmp.ts';
import { noteChange } from './changes.ts';
import type { MachineFiles } from './places.ts';
import { isThere, type MachineProcess, qmpPlace, readRunState } from './run-state.ts';

/** A QEMU that is told to quit does so at once, unless the host is busy. */
const quitMs = 10_000;
const qmpTimeoutMs = 5000;
const pollMs = 25;

/**
 * End a machine: press its guest's power button and wait; if it does not end in time, or has no such button, switch it off.
 * @param qemu its process, which is gone when this is done
 * @param graceMs how long the guest may take; 0: switch it off at once
 */
export async function bringDown(files: MachineFiles, qemu: MachineProcess, graceMs: number): Promise<void> {
  writeFileSync(files.stopping, '');
  noteChange(files, { started: readRunState(files)?.started, status: 'stopping' });
  if (graceMs > 0) {
    // A guest that is held would not hear it.
    await qmpCommand(qmpPlace(files), 'cont', qmpTimeoutMs);
    await qmpCommand(qmpPlace(files), 'system_powerdown', qmpTimeoutMs);
    if (await isGone(qemu, graceMs)) return;
  }
  writeFileSync(files.switchedOff, '');
  await qmpCommand(qmpPlace(files), 'quit', qmpTimeoutMs);
  if (await isGone(qemu, quitMs)) return;
  if (isThere(qemu)) kill(qemu.pid);
  await isGone(qemu, quitMs);
}

async function isGone(qemu: MachineProcess, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isThere(qemu)) {
    if (performance.now() > deadline) return false;
    await delay(pollMs);
  }
  return true;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}
