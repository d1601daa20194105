import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { type Engine, outputOf } from './engine.ts';
import type { GuestOptions } from './guests.ts';
import { trackerImage } from './images.ts';
import { nothingLeft, type Traces } from './leftovers.ts';
import { waitFor } from './wait.ts';

/** What to run; the image may be another than the one that only holds the place of a unikernel. */
export interface EngineGuest extends GuestOptions {
  readonly image?: string;
}

/** The words after `run` or `create` for a unikernel. */
export function guestArgs(engine: Engine, name: string, guest: EngineGuest): string[] {
  const { service, options = [], args = [], image = trackerImage } = guest;
  const named = ['--name', name, '--env', `SERVICE_NAME=${service}`];
  return [...engine.runtime, ...named, ...options, image, ...args];
}

/** Start a guest in the background and wait until it says that it is ready; it is removed when the test ends, with all its traces. */
export async function startGuest(t: Test, engine: Engine, name: string, guest: EngineGuest): Promise<Traces> {
  const traces = await startUnready(t, engine, name, guest);
  await waitForReady(engine, name);
  return traces;
}

/** Start a guest in the background; it is removed when the test ends, with all its traces. */
export async function startUnready(
  t: Test,
  engine: Engine,
  name: string,
  guest: EngineGuest,
): Promise<Traces> {
  let traces: Traces | undefined;
  t.teardown(async () => {
    await engine.remove(name);
    if (traces !== undefined) await nothingLeft(traces);
  });
  await outputOf(engine, ['run', '--detach', ...guestArgs(engine, name, guest)]);
  traces = await tracesOf(engine, name);
  return traces;
}

/** Take down what identifies a container's traces, while the engine still knows it. */
export async function tracesOf(engine: Engine, name: string): Promise<Traces> {
  const [id = '', namespace = ''] = (
    await inspect(engine, name, '{{.Id}} {{.NetworkSettings.SandboxKey}}')
  ).split(' ');
  const { name: engineName, root, crunRoot, stateRoot, overlayRoot } = engine;
  const places = { id, root, crunRoot, stateRoot, overlayRoot };
  if (namespace === '') return { ...places, networkNamespace: undefined };
  // docker collects the files of namespaces once a minute.
  return engineName === 'docker'
    ? { ...places, networkNamespace: undefined, mountPoint: namespace }
    : { ...places, networkNamespace: namespace };
}

/** Wait for the line that sample guests print once they are up. @param times how often, for a guest that was started again */
export async function waitForReady(engine: Engine, name: string, times = 1): Promise<void> {
  await waitFor(
    `${name} to be ready`,
    async () => [...(await logOf(engine, name)).matchAll(/^(hello|linux): ready/gm)].length >= times,
    60,
  );
}

/** Wait until the log has a certain text. @returns all of it, the two streams one after the other */
export function waitForLog(engine: Engine, name: string, pattern: RegExp): Promise<string> {
  return waitFor(
    `${pattern} in the log of ${name}`,
    async () => {
      const log = await logOf(engine, name);
      return pattern.test(log) && log;
    },
    60,
  );
}

/** What the container has printed, on both streams. */
export async function logOf(engine: Engine, name: string): Promise<string> {
  const { stdout, stderr } = await engine.call(['logs', name]);
  return stdout + stderr;
}

/** A value out of the engine's `inspect`, by a Go template. */
export function inspect(engine: Engine, name: string, template: string): Promise<string> {
  return outputOf(engine, ['container', 'inspect', '--format', template, name]);
}

/** State and exit status, such as `exited 3`. */
export function stateOf(engine: Engine, name: string): Promise<string> {
  return inspect(engine, name, '{{.State.Status}} {{.State.ExitCode}}');
}

/** Where the guest answers, by its own address. */
export async function urlOf(engine: Engine, name: string): Promise<string> {
  return `http://${await inspect(engine, name, '{{.NetworkSettings.IPAddress}}')}:8080/`;
}

/** The id, in the engine's system, of the process that runs the guest: a child of the sandbox's first one. */
export async function monitorOf(engine: Engine, name: string): Promise<number> {
  const init = await inspect(engine, name, '{{.State.Pid}}');
  const processes = join(engine.root ?? '/', 'proc');
  const children = (await readFile(`${processes}/${init}/task/${init}/children`, 'utf8')).trim().split(' ');
  for (const pid of children) {
    const program = await readFile(`${processes}/${pid}/comm`, 'utf8').catch(() => '');
    if (program.startsWith('qemu-system')) return Number(pid);
  }
  throw new Error(`${name} has no QEMU among the children of ${init}: ${children.join(' ')}`);
}
