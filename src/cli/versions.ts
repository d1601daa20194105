import { RuntimeError } from '../base/runtime-error.ts';
import { parseCrunVersion } from '../forward/crun-version.ts';
import { findCrun } from '../forward/find-crun.ts';
import { writtenOciVersion } from '../forward/oci-version.ts';
import { findQemu } from '../host/find-qemu.ts';
import { runProgram } from '../host/processes.ts';
import type { Config } from '../unikernel/config-defaults.ts';

/** Put in by the build; in sources run as they are there is none. */
declare const __UCRUN_VERSION__: string | undefined;
declare const __UCRUN_COMMIT__: string | undefined;

/** ucrun's own version. */
export function ucrunVersion(): string {
  return typeof __UCRUN_VERSION__ === 'string' ? __UCRUN_VERSION__ : 'unbuilt';
}

/**
 * What `--version` prints. docker takes what follows "version" in the first line, and the line `commit:`.
 * A program that is missing is said to be, not an error.
 * @see moby daemon/info_unix.go, parseRuntimeVersion
 */
export function versionText(config: Config, env: NodeJS.ProcessEnv): string {
  const commit = typeof __UCRUN_COMMIT__ === 'string' ? __UCRUN_COMMIT__ : 'unknown';
  return [
    `ucrun version ${ucrunVersion()}`,
    `commit: ${commit}`,
    `spec: ${writtenOciVersion}`,
    `crun: ${programVersion(() => findCrun(config.crun, env.PATH), parseCrunVersion)}`,
    `qemu: ${programVersion(() => findQemu(config.vmm.qemu, env.PATH), parseQemuVersion)}`,
    `node: ${process.versions.node}`,
    '',
  ].join('\n');
}

function programVersion(find: () => string, parse: (output: string) => string | undefined): string {
  try {
    const path = find();
    return `${parse(runProgram(path, ['--version'], { env: {} }).stdout) ?? 'of unknown version'} (${path})`;
  } catch (error) {
    if (error instanceof RuntimeError) return error.message;
    throw error;
  }
}

/** The version in the output of `qemu-system-… --version`; undefined if there is none. */
export function parseQemuVersion(output: string): string | undefined {
  return /^QEMU emulator version (\S+)/m.exec(output)?.[1];
}
