import { type CommandOptions, type Outcome, output, run } from './command.ts';

/** Run podman to its end. */
export function podman(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  return run('podman', args, options);
}

/** Run podman, which has to succeed. @returns what it printed, without the end of the line */
export async function podmanOutput(args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return (await output('podman', args, options)).trimEnd();
}

/** A value out of `podman inspect`, by a Go template. */
export function inspect(container: string, template: string): Promise<string> {
  return podmanOutput(['container', 'inspect', '--format', template, container]);
}

/** Remove containers, running or not, known or not. */
export async function removeContainers(...names: readonly string[]): Promise<void> {
  for (const name of names) await podman(['rm', '--force', '--time', '0', '--ignore', name]);
}
