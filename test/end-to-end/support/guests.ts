import type { Test } from 'tap';
import { type CommandOptions, type Outcome, output } from './command.ts';
import { ucrun } from './environment.ts';
import { trackerImage } from './images.ts';
import { nothingLeft, type Traces, tracesOf } from './leftovers.ts';
import { podman, podmanOutput, removeContainers } from './podman.ts';
import { waitFor } from './wait.ts';

export interface GuestOptions {
  /** The unikernel's name in the registry. */
  readonly service: 'hello' | 'linux' | 'linux-disk' | 'linux-9p' | 'nanos';
  /** An image in the tracker's place. */
  readonly image?: string;
  readonly options?: readonly string[];
  readonly args?: readonly string[];
}

/** The command line of `podman run` for a unikernel. */
export function runArgs(
  name: string,
  { service, image = trackerImage, options = [], args = [] }: GuestOptions,
): string[] {
  const named = ['run', '--name', name, '--env', `SERVICE_NAME=${service}`];
  return [`--runtime=${ucrun}`, ...named, ...options, image, ...args];
}

/** Run a guest in the foreground, to its end. */
export function runGuest(name: string, guest: GuestOptions, more: CommandOptions = {}): Promise<Outcome> {
  return podman(runArgs(name, guest), more);
}

/**
 * Start a guest in the background and wait until it says that it is ready. When the test ends the container is removed,
 * and the test fails if anything of it stays on the host.
 */
export async function startGuest(t: Test, name: string, guest: GuestOptions): Promise<Traces> {
  const { options = [] } = guest;
  await podmanOutput(runArgs(name, { ...guest, options: ['--detach', ...options] }));
  const traces = await tracesOf(name);
  removeAtEnd(t, name, traces);
  await waitForReady(name);
  return traces;
}

/** Have a container removed at the end of a test, and check that nothing of it stays. */
export function removeAtEnd(t: Test, name: string, traces: Traces): void {
  t.teardown(async () => {
    await removeContainers(name);
    await nothingLeft(traces);
  });
}

/** Wait for the line that sample guests print once they are up. @param times how often, for a guest that was restarted */
export async function waitForReady(name: string, times = 1): Promise<void> {
  await waitFor(
    `${name} to be ready`,
    async () => {
      const { stdout } = await podman(['logs', name]);
      return [...stdout.matchAll(/^(hello|linux): ready/gm)].length >= times;
    },
    60,
  );
}

/** The container's address in its network. */
export function addressOf(name: string): Promise<string> {
  return podmanOutput(['container', 'inspect', '--format', '{{.NetworkSettings.IPAddress}}', name]);
}

/** The container's processes on the host: id → name of the program. */
export async function processesOf(name: string): Promise<ReadonlyMap<number, string>> {
  const lines = (await podmanOutput(['top', name, 'hpid', 'comm'])).split('\n').slice(1);
  return new Map(
    lines.map((line) => line.trim().split(/\s+/)).map(([pid, program = '']) => [Number(pid), program]),
  );
}

/** The id, on the host, of the process that runs the guest. */
export async function monitorOf(name: string): Promise<number> {
  const found = [...(await processesOf(name))].find(([, program]) => program.startsWith('qemu-system'));
  if (found === undefined) throw new Error(`${name} has no QEMU:\n${await output('ps', ['ax'])}`);
  return found[0];
}
