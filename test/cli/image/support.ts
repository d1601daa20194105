import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Test } from 'tap';
import { probeGuestElf } from '../../../src/unikernel/probe-guest.ts';

const main = join(import.meta.dirname, '../../../src/cli/main.ts');

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder with a kernel, and a ucrun that has its registry, state and home there. */
export function setting(t: Test) {
  const folder = t.testdir({ registry: {}, state: {}, home: {}, bin: {} });
  const kernel = join(folder, 'kernel.elf');
  writeFileSync(kernel, probeGuestElf());
  const registry = join(folder, 'registry');
  const config = join(folder, 'config.toml');
  writeFileSync(config, `registries = ["${registry}"]\nstate_dir = "${folder}/state"\n`);
  // Programs in bin come before those of the host.
  const env = {
    UCRUN_CONFIG: config,
    HOME: join(folder, 'home'),
    TMPDIR: folder,
    PATH: `${folder}/bin:${process.env.PATH}`,
  };
  const start = (...args: readonly string[]) =>
    spawn(process.execPath, [main, 'image', ...args], {
      env,
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const endOf = async (child: ReturnType<typeof start>): Promise<Ended> => {
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    return { status, stdout, stderr };
  };
  const image = async (...args: readonly string[]): Promise<Ended> => await endOf(start(...args));
  return { folder, kernel, registry, start, endOf, image };
}
