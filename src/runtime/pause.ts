import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { RuntimeError } from '../base/runtime-error.ts';
import { exists, readTextIfThere, writeFileAtomic } from '../host/files.ts';
import { runInPlace } from '../host/processes.ts';
import type { ContainerCall } from './container.ts';
import { isAlive } from './init-process.ts';
import { askMonitor, pressPowerButton } from './monitor.ts';
import { type ContainerRecord, readRecord } from './record.ts';

/** The content of {@link StatePaths.paused} once a stop signal came: the power button waits for `resume`. */
const stopAsked = 'stop';

/** A QEMU that was frozen is slow to come back on a busy host, and left alone its machine would stand still for good. */
const resumePatienceMs = 10_000;

/**
 * `pause` for a unikernel container: stop the machine, then have crun freeze its processes. Freezing alone would let the guest's
 * clock run on: it would find hours gone at once, and Linux complains about each of its tasks that seems to have hung.
 * @returns the exit status
 */
export async function pauseContainer(call: ContainerCall): Promise<number> {
  const record = isPaused(call) ? undefined : readRecord(call.paths);
  const isStopped = record !== undefined && (await askMonitor(record, 'stop'));
  const status = runCrun(call, 'pause');
  if (status !== 0) {
    if (isStopped) await askMonitor(record, 'cont', resumePatienceMs);
  } else if (record !== undefined) writeFileAtomic(call.paths.paused, '', 0o600);
  return status;
}

/**
 * `resume` for a unikernel container: {@link pauseContainer} undone. A stop signal that came in between presses the power button now,
 * when the guest can hear it.
 * @returns the exit status
 * @throws RuntimeError HOST_FAILED if the machine does not go on
 */
export async function resumeContainer(call: ContainerCall): Promise<number> {
  const { paths } = call;
  const status = runCrun(call, 'resume');
  const record = status === 0 ? readRecord(paths) : undefined;
  if (record === undefined) return status;
  if (!(await askMonitor(record, 'cont', resumePatienceMs))) await requireEnd(call, record);
  else if (readTextIfThere(paths.paused) === stopAsked) await pressPowerButton(call, record);
  rmSync(paths.paused, { force: true });
  return status;
}

/** Whether the container was paused through ucrun, and not resumed since. */
export function isPaused({ paths }: ContainerCall): boolean {
  return exists(paths.paused);
}

/** A frozen machine is not to be asked for anything: keep the press of its power button for `resume`. */
export function keepStopForResume({ paths }: ContainerCall): void {
  writeFileAtomic(paths.paused, stopAsked, 0o600);
}

function runCrun(call: ContainerCall, verb: 'pause' | 'resume'): number {
  return runInPlace(call.crun(), [...call.line.globalArgs, verb, call.id], call.env);
}

/** A machine that cannot go on because it is ending, by a KILL that came during the pause, is none that hangs. */
async function requireEnd({ id }: ContainerCall, { init }: ContainerRecord): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt++) {
    if (init === undefined || !isAlive(init)) return;
    await delay(20);
  }
  throw new RuntimeError('HOST_FAILED', `cannot resume container "${id}": QEMU does not answer`, {
    hint: 'try again, or end it with "kill"',
  });
}
