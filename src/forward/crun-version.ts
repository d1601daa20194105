import { statSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import { makeDirectory, readTextIfThere, writeFileAtomic } from '../host/files.ts';
import { runProgram } from '../host/processes.ts';
import { isAcceptedByEveryCrun } from './oci-version.ts';

/** The first crun that takes every 1.x.y specification; older ones look for "1.0" or "1.1" in it. */
export const firstLenientVersion = [1, 14, 3] as const;

/**
 * The version in the output of `crun --version`, such as `1.8.1`; undefined if there is none.
 * @see containers/crun src/crun.c, print_version
 */
export function parseCrunVersion(output: string): string | undefined {
  return /^crun version (\d+(?:\.\d+)*)/m.exec(output)?.[1];
}

/** crun's version, asked once for each crun and remembered: asking takes as long as a whole verb. undefined if it does not say. */
export function rememberedCrunVersion(crun: string, stateRoot: string): string | undefined {
  const file = `${stateRoot}/crun-version`;
  const key = `${crun} ${statSync(crun).mtimeMs} `;
  const remembered = readTextIfThere(file);
  if (remembered?.startsWith(key)) return remembered.slice(key.length).trim();
  const version = parseCrunVersion(runProgram(crun, ['--version'], { env: {} }).stdout);
  if (version !== undefined) {
    makeDirectory(stateRoot, 0o711);
    writeFileAtomic(file, `${key}${version}\n`, 0o644);
  }
  return version;
}

/**
 * Make sure that crun takes a specification of this version.
 * @param stateRoot where crun's version is remembered
 * @throws RuntimeError CRUN_TOO_OLD
 */
export function requireCrunFor(ociVersion: string, crun: string, stateRoot: string): void {
  checkCrunAccepts(ociVersion, rememberedCrunVersion(crun, stateRoot), crun);
}

/**
 * Refuse a bundle that this crun would refuse with the words "unknown version specified", which say too little.
 * @throws RuntimeError CRUN_TOO_OLD
 */
export function checkCrunAccepts(
  ociVersion: string,
  crunVersion: string | undefined,
  crunPath: string,
): void {
  if (isAcceptedByEveryCrun(ociVersion) || crunVersion === undefined) return;
  if (compareVersions(crunVersion, firstLenientVersion) >= 0) return;
  throw new RuntimeError(
    'CRUN_TOO_OLD',
    `crun ${crunVersion} at "${crunPath}" is too old for a container of specification version ${ociVersion}`,
    {
      hint: `the engine (podman 5, containerd 2 or newer) needs crun ${firstLenientVersion.join('.')} or newer; \
install one and, if it is elsewhere, set the key "crun" in ucrun's config.toml`,
    },
  );
}

/** Negative, zero or positive, as the first version is older than the other, the same or newer. */
export function compareVersions(version: string, other: readonly number[]): number {
  const parts = version.split('.').map(Number);
  for (const [index, part] of other.entries()) {
    const difference = (parts[index] ?? 0) - part;
    if (difference !== 0) return difference;
  }
  return 0;
}
