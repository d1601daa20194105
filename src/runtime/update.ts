import { readFileSync, rmSync, statSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import { become } from '../forward/become.ts';
import { lastValue, parseVerbArgs, withoutOptions } from '../forward/command-line.ts';
import { readTextIfThere, writeFileAtomic } from '../host/files.ts';
import { runInPlace } from '../host/processes.ts';
import { addedMemoryMiB, raisedLimit } from '../unikernel/memory-plan.ts';
import { type JsonObject, parseExactly } from '../unikernel/spec.ts';
import type { ContainerCall } from './container.ts';
import { withMonitorMemory } from './monitor-memory.ts';
import { readRecord } from './record.ts';

/**
 * `update` for a unikernel container: crun's, where the limit is the guest's alone with the monitor's own memory added, as at create.
 * The guest's memory stays as it is.
 * @returns the exit status
 * @throws RuntimeError USAGE for resources that are not JSON
 */
export function updateContainer(call: ContainerCall): number {
  const { globalArgs, verbArgs } = call.line;
  // crun reads flags only where no file is named.
  const file = lastValue(parseVerbArgs('update', verbArgs).options, 'resources', 'r');
  if (file !== undefined) return updateFromFile(call, file);
  const args = raiseMemoryFlags(verbArgs, addedTo(call));
  return become(call.crun(), [...globalArgs, 'update', ...args], call.env);
}

/** @param file as crun takes it: `-` is standard input */
function updateFromFile(call: ContainerCall, file: string): number {
  const { line, paths, env } = call;
  const crun = call.crun();
  const text = file === '-' ? readFileSync(0, 'utf8') : readTextIfThere(file);
  // crun has the words for a file that is missing.
  if (text === undefined) return become(crun, line.args, env);
  const raised = raiseMemory(text, file, addedTo(call));
  if (raised === text && isReadTwice(file)) return become(crun, line.args, env);
  // One for each call, since two may come at once.
  const own = `${paths.directory}/resources.${process.pid}.json`;
  writeFileAtomic(own, raised, 0o600);
  try {
    const kept = withoutOptions('update', line.verbArgs, ['resources', 'r']);
    return runInPlace(crun, [...line.globalArgs, 'update', '--resources', own, ...kept], env);
  } finally {
    rmSync(own, { force: true });
  }
}

function addedTo({ paths }: ContainerCall): number {
  const record = readRecord(paths);
  return record === undefined ? 0 : addedMemoryMiB(record.machine.vmmMemory);
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
export function raiseMemory(text: string, file: string, overheadMiB: number): string {
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
  const raised = withMonitorMemory(resources as JsonObject, overheadMiB);
  return raised === resources ? text : JSON.stringify(raised);
}

/** Arguments of `update` with the monitor's memory added where a flag limits it; the rest as it came. */
export function raiseMemoryFlags(verbArgs: readonly string[], overheadMiB: number): readonly string[] {
  const raised = [...verbArgs];
  for (const { name, value = '', to } of parseVerbArgs('update', verbArgs).options) {
    const bytes = Number(value);
    // Only a count of bytes that is a limit; what else may be there is crun's to refuse, or means that there is none.
    const isLimit = /^[1-9]\d*$/.test(value) && Number.isSafeInteger(bytes);
    if (!isLimit || (name !== 'memory' && name !== 'memory-swap')) continue;
    const limit = raisedLimit(bytes, overheadMiB);
    raised[to] = raised[to] === value ? `${limit}` : `--${name}=${limit}`;
  }
  return raised;
}
