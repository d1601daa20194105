import { spawnSync } from 'node:child_process';

/** End the benchmark with a message. */
export function fail(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(1);
}

/** What a program prints, which has to succeed. */
export function output(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0)
    fail(`${program} ${args.join(' ')} ended with ${error?.message ?? `status ${status}`}\n${stderr}`);
  return stdout;
}

/** A variable that hack/in-test-env.sh sets. */
export function requiredVariable(name: string): string {
  return process.env[name] ?? fail(`${name} is not set: run this through hack/in-test-env.sh`);
}
