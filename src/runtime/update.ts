import { readFileSync, rmSync, statSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import { become } from '../forward/become.ts';
import { lastValue, parseVerbArgs, withoutOptions } from '../forward/command-line.ts';
import { readTextIfThere, writeFileAtomic } from '../host/files.ts';
import { runInPlace } from '../host/processes.ts';
import { guests } from '../unikernel/guests/index.ts';
import { addedMemoryMiB, guestMemoryWithin, raisedLimit } from '../unikernel/memory-plan.ts';
import { type JsonObject, parseExactly } from '../unikernel/spec.ts';
import { readBalloon, setBalloon, shrinkBalloon } from './balloon.ts';
import type { ContainerCall } from './container.ts';
import { runningInit } from './init-process.ts';
import { withMonitorMemory } from './monitor-memory.ts';
import { type ContainerRecord, readRecord } from './record.ts';

/**
 * `update` for a unikernel container: crun's, and where the memory limit changes the guest's memory with it, by its balloon. Where the
 * limit is the guest's alone, QEMU's own need is added, as at create.
 * @returns the exit status
 * @throws RuntimeError USAGE for resources that are not JSON
 */
export async function updateContainer(call: ContainerCall): Promise<number> {
  const { globalArgs, verbArgs } = call.line;
  const record = readRecord(call.paths);
  const addedMiB = record === undefined ? 0 : addedMemoryMiB(record.machine.vmmMemory);
  // crun reads flags only where no file is named.
  const file = lastValue(parseVerbArgs('update', verbArgs).options, 'resources', 'r');
  if (file !== undefined) return updateFromFile(call, record, file, addedMiB);
  const crunArgs = [...globalArgs, 'update', ...raiseMemoryFlags(verbArgs, addedMiB)];
  const balloon = planBalloon(call, record, memoryFlag(verbArgs));
  if (balloon === undefined) return become(call.crun(), crunArgs, call.env);
  return withBalloon(call, balloon, () => runInPlace(call.crun(), crunArgs, call.env));
}

/** @param file as crun takes it: `-` is standard input */
async function updateFromFile(
  call: ContainerCall,
  record: ContainerRecord | undefined,
  file: string,
  addedMiB: number,
): Promise<number> {
  const { line, paths, env } = call;
  const crun = call.crun();
  const text = file === '-' ? readFileSync(0, 'utf8') : readTextIfThere(file);
  // crun has the words for a file that is missing.
  if (text === undefined) return become(crun, line.args, env);
  const raised = raiseMemory(text, file, addedMiB);
  const balloon = planBalloon(call, record, memoryResource(text));
  if (raised === text && balloon === undefined && isReadTwice(file)) return become(crun, line.args, env);
  // One for each call, since two may come at once.
  const own = `${paths.directory}/resources.${process.pid}.json`;
  writeFileAtomic(own, raised, 0o600);
  try {
    const kept = withoutOptions('update', line.verbArgs, ['resources', 'r']);
    const args = [...line.globalArgs, 'update', '--resources', own, ...kept];
    return await withBalloon(call, balloon, () => runInPlace(crun, args, env));
  } finally {
    rmSync(own, { force: true });
  }
}

/** What a new limit means for the memory of a guest that runs. */
interface BalloonChange {
  readonly pid: number;
  readonly bytes: number;
}

/** @param limitBytes the new limit; undefined: it stays as it is */
function planBalloon(
  call: ContainerCall,
  record: ContainerRecord | undefined,
  limitBytes: number | undefined,
): BalloonChange | undefined {
  const pid = record === undefined ? undefined : runningInit(record);
  if (record === undefined || pid === undefined || limitBytes === undefined) return undefined;
  const { guest, memoryMiB: guestMiB, vmmMemory: vmm } = record.machine;
  if (!guests[guest].hasBalloon) return undefined;
  const { bytes, isBounded } = guestMemoryWithin({ guestMiB, vmm }, limitBytes);
  if (isBounded)
    call.log('the guest gets more memory than it was started with at its next start', { guestMiB });
  return { pid, bytes };
}

/**
 * Change the limits and the balloon in the order in which the guest never has more than its limit: a guest that is to have less
 * gives it back first, and has it again if the limits then stay as they were.
 */
async function withBalloon(
  call: ContainerCall,
  change: BalloonChange | undefined,
  changeLimits: () => number,
): Promise<number> {
  const before = change === undefined ? undefined : await readBalloon(change.pid);
  if (change === undefined || before === undefined) return changeLimits();
  const { pid, bytes } = change;
  if (bytes < before) {
    call.log('balloon', { before, bytes, isDone: await shrinkBalloon(pid, bytes) });
    const status = changeLimits();
    if (status !== 0) await setBalloon(pid, before);
    return status;
  }
  const status = changeLimits();
  if (status === 0) call.log('balloon', { before, bytes, isDone: await setBalloon(pid, bytes) });
  return status;
}

/** Whether crun finds in a file what we have found: not in a pipe. */
function isReadTwice(file: string): boolean {
  return file !== '-' && statSync(file).isFile();
}

/**
 * The text of an engine's resources with the monitor's memory added; the same text if it limits none.
 * @param file where it comes from, for the message
 * @throws RuntimeError USAGE
 * @see opencontainers/runtime-spec v1.2.0 config-linux.md, "Memory"
 */
export function raiseMemory(text: string, file: string, addedMiB: number): string {
  let resources: unknown;
  try {
    resources = parseExactly(text);
  } catch (cause) {
    const place = file === '-' ? 'on standard input' : `in "${file}"`;
    throw new RuntimeError('USAGE', `the resources ${place} are not JSON`, {
      cause,
      hint: 'give an object such as {"memory":{"limit":134217728}}',
    });
  }
  // Anything else is crun's to refuse.
  if (typeof resources !== 'object' || resources === null || Array.isArray(resources)) return text;
  const raised = withMonitorMemory(resources as JsonObject, addedMiB);
  return raised === resources ? text : JSON.stringify(raised);
}

/** Arguments of `update` with the monitor's memory added where a flag limits it; the rest as it came. */
export function raiseMemoryFlags(verbArgs: readonly string[], addedMiB: number): readonly string[] {
  const raised = [...verbArgs];
  for (const { name, value = '', to } of parseVerbArgs('update', verbArgs).options) {
    if (!isLimit(value) || (name !== 'memory' && name !== 'memory-swap')) continue;
    const limit = raisedLimit(Number(value), addedMiB);
    raised[to] = raised[to] === value ? `${limit}` : `--${name}=${limit}`;
  }
  return raised;
}

/** Only a count of bytes is a limit; what else a flag may have is crun's to refuse, or means that there is none. */
function isLimit(value: string): boolean {
  return /^[1-9]\d*$/.test(value) && Number.isSafeInteger(Number(value));
}

/** The memory limit that flags of `update` set, in bytes: infinite where they take it away, undefined where they say nothing of it. */
export function memoryFlag(verbArgs: readonly string[]): number | undefined {
  const value = lastValue(parseVerbArgs('update', verbArgs).options, 'memory') ?? '';
  if (isLimit(value)) return Number(value);
  return /^-1$|^[1-9]\d{15,}$/.test(value) ? Number.POSITIVE_INFINITY : undefined;
}

/** The same, of the text of an engine's resources. */
export function memoryResource(text: string): number | undefined {
  const limit: unknown = JSON.parse(text)?.memory?.limit;
  if (typeof limit !== 'number' || limit === 0) return undefined;
  return limit < 0 || !Number.isSafeInteger(limit) ? Number.POSITIVE_INFINITY : limit;
}
