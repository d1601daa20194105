import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { output } from './command.ts';
import { fillRootfs } from './images.ts';

/** The parts of an OCI specification that tests change. @see opencontainers/runtime-spec config.md */
export interface BundleSpec {
  process: { terminal: boolean; args: string[]; env: string[]; rlimits?: unknown };
  hostname: string;
  mounts: { destination: string; type?: string; source?: string; options?: string[] }[];
  annotations?: Record<string, string>;
  linux: { namespaces: { type: string }[]; resources?: { memory?: { limit: number } } };
}

/**
 * Make a bundle as `crun spec` would, with a busybox in its root file system, and the changes that a test wants.
 * What `crun spec` limits is left out: so the caller's limits are inherited.
 */
export async function makeBundle(path: string, change: (spec: BundleSpec) => void): Promise<void> {
  await fillRootfs(join(path, 'rootfs'));
  await output('crun', ['spec'], { cwd: path });
  const file = join(path, 'config.json');
  const spec: BundleSpec = JSON.parse(await readFile(file, 'utf8'));
  spec.process.terminal = false;
  delete spec.process.rlimits;
  change(spec);
  await writeFile(file, JSON.stringify(spec));
}
