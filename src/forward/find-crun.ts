import { realpathSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import { isProgram, programDirectories } from '../host/files.ts';

/** Where distributions put crun. Engines call us for kill and delete with no PATH at all. */
const usualDirectories = [
  '/usr/bin',
  '/usr/local/bin',
  '/bin',
  '/usr/sbin',
  '/sbin',
  '/run/current-system/sw/bin',
];

/**
 * The absolute path of crun.
 * @param configured the configuration's `crun`, or undefined to search PATH and then the usual directories
 * @throws RuntimeError CRUN_MISSING
 */
export function findCrun(configured: string | undefined, searchPath: string | undefined): string {
  if (configured !== undefined) {
    if (isOtherProgram(configured)) return configured;
    throw new RuntimeError('CRUN_MISSING', `crun is missing: the configuration says "${configured}"`, {
      hint: 'correct the key "crun" in ucrun\'s config.toml, or remove it to have crun searched for',
    });
  }
  const directories = programDirectories(searchPath, usualDirectories);
  const found = directories.map((directory) => `${directory}/crun`).find(isOtherProgram);
  if (found !== undefined) return found;
  throw new RuntimeError('CRUN_MISSING', `crun is missing: looked in ${directories.join(', ')}`, {
    hint: 'install the package crun, or set the key "crun" in ucrun\'s config.toml',
  });
}

/** A host may have linked crun to us; following that link would call us for ever. */
function isOtherProgram(path: string): boolean {
  return isProgram(path) && realpathSync(path) !== process.execPath;
}
