import { closeSync, constants, fstatSync, openSync, readSync, rmSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { exists, listDirectory } from '../host/files.ts';
import { klogExitCodeOffset } from '../unikernel/nanos/klog.ts';
import { type GuestExit, guestExit } from './guest-exit.ts';
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
    statusByte: readBytes(`${files.qemu}/${qemuNames.exitStatus}`, 0, 2)[1],
    klogStatus:
      klog === undefined
        ? undefined
        : klogStatusIn(readBytes(klog.path, klog.offset, klogExitCodeOffset + 4)),
    wasStopped: exists(files.stopping),
    wasSwitchedOff: exists(files.switchedOff),
    errors: readText(`${files.qemu}/${qemuNames.errors}`).split('\n'),
    lastEvents: readText(`${files.qemu}/${qemuNames.lastEvents}`),
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
    const changed: MachineRecord = {
      ...record,
      lastRun: {
        started,
        ended: new Date().toISOString(),
        exitStatus: status,
        problem,
        restarts: record.lastRun?.restarts ?? 0,
      },
    };
    store.write(changed);
    removeRun(files);
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

function readText(path: string): string {
  return Buffer.from(readBytes(path, 0, maxBytes)).toString('utf8');
}

/** What is at a place of a file that a hostile QEMU may have put there: no link is followed, and no pipe waited for. */
function readBytes(path: string, offset: number, length: number): Uint8Array {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return new Uint8Array();
    throw error;
  }
  try {
    if (!fstatSync(fd).isFile()) return new Uint8Array();
    const buffer = new Uint8Array(length);
    return buffer.subarray(0, readSync(fd, buffer, 0, length, offset));
  } finally {
    closeSync(fd);
  }
}
