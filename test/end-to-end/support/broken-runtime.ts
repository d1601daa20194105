import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quote } from './command.ts';
import { registry, scratch, ucrun } from './environment.ts';

/** Make a runtime whose configuration gives QEMU an argument that it refuses. @returns its path */
export async function makeBrokenRuntime(name: string): Promise<string> {
  const folder = join(scratch, name);
  await mkdir(folder, { recursive: true });
  const config = join(folder, 'config.toml');
  await writeFile(
    config,
    `registries = [${JSON.stringify(registry)}]\nvmm.extra_args = ["-device", "no-such-device"]\n`,
  );
  const runtime = join(folder, 'ucrun');
  // Engines do not hand their environment on.
  const script = ['#!/bin/sh', `export UCRUN_CONFIG=${quote(config)}`, `exec ${quote(ucrun)} "$@"`, ''];
  await writeFile(runtime, script.join('\n'), { mode: 0o755 });
  return runtime;
}
