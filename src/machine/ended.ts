import { rmSync } from 'node:fs';
import { exists, listDirectory } from '../host/files.ts';
import { klogExitCodeOffset } from '../unikernel/nanos/klog.ts';
import { noteChange, noteChanges, qemuChanges } from './changes.ts';
import { type GuestExit, guestExit } from './guest-exit.ts';
import { readHostileBytes, readHostileText } from './hostile-file.ts';
import { leaveBridges } from './network.ts';
import { type MachineFiles, qemuNames } from './places.ts';
import type { MachineRecord } from './record.ts';
import { readRunState } from './run-state.ts';
import type { MachineStore } from './store.ts';

const maxBytes = 16 * 1024;

/**
 * Find out how a machine's guest ended, of which QEMU is gone.
 * @param qemuStatus see {@link MachineEnd}
 */
export function readGuestExit(files: MachineFiles, qemuStatus: number | undefined): GuestExit {
  const state = readRunState(files);
  const { klog } = state ?? {};
  return guestExit({
    qemuStatus,
    // The first byte is the launch script's.
    statusByte: readHostileBytes(`${files.qemu}/${qemuNames.exitStatus}`, 0, 2)[1],
    klogStatus:
      klog === undefined
        ? undefined
        : klogStatusIn(readHostileBytes(klog.path, klog.offset, klogExitCodeOffset + 4)),
    wasStopped: exists(files.stopping),
    wasSwitchedOff: exists(files.switchedOff),
    errors: readHostileText(`${files.qemu}/${qemuNames.errors}`, maxBytes).split('\n'),
    lastEvents: readHostileText(`${files.qemu}/${qemuNames.lastEvents}`, maxBytes),
    exitValues: state?.exitValues ?? {},
  });
}

/** Write down how a machine ended, and remove what is there only while it runs. */
export async function recordEnd(
  store: MachineStore,
  name: string,
  { status, problem }: GuestExit,
): Promise<MachineRecord> {
  const files = store.files(name);
  return await store.lock(name, () => {
    // Also of a machine that has no record any more.
    leaveBridges(store.places, name);
    const record = store.read(name);
    const started = readRunState(files)?.started ?? record.lastRun?.started ?? new Date().toISOString();
    const ended = new Date().toISOString();
    const restarts = record.lastRun?.restarts ?? 0;
    const lastRun = { started, ended, exitStatus: status, problem, restarts };
    const changed: MachineRecord = { ...record, lastRun };
    store.write(changed);
    noteChanges(files, qemuChanges(files, started));
    removeRun(files);
    // Whoever hears of it finds it so.
    noteChange(files, { time: ended, started, status: 'exited', exitStatus: status, problem });
    return changed;
  });
}

/** All but a directory that a service manager has made, which is a place where it has mounted something: it removes that itself. */
function removeRun({ run, qemu }: MachineFiles): void {
  for (const name of listDirectory(run))
    if (`${run}/${name}` !== qemu) rmSync(`${run}/${name}`, { recursive: true, force: true });
  try {
    rmSync(run, { recursive: true, force: true });
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error)) throw error;
  }
}

function klogStatusIn(bytes: Uint8Array): number | undefined {
  const text = Buffer.from(bytes);
  return text.toString('latin1', 0, 4) === 'KLOG' ? text[klogExitCodeOffset] : undefined;
}
