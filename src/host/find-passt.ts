import { RuntimeError } from '../base/runtime-error.ts';
import { isProgram, programDirectories } from './files.ts';

const usualDirectories = ['/usr/bin', '/usr/local/bin'];

/**
 * The absolute path of passt.
 * @param configured the configuration's `[vmm] passt`, or undefined to search PATH and then the usual directories
 * @throws RuntimeError PASST_MISSING
 */
export function findPasst(configured: string | undefined, searchPath: string | undefined): string {
  if (configured !== undefined) {
    if (isProgram(configured)) return configured;
    throw new RuntimeError('PASST_MISSING', `passt is missing: the configuration says "${configured}"`, {
      hint: 'correct the key "passt" of [vmm] in ucrun\'s config.toml, or remove it to have passt searched for',
    });
  }
  const directories = programDirectories(searchPath, usualDirectories);
  const found = directories.map((directory) => `${directory}/passt`).find(isProgram);
  if (found !== undefined) return found;
  throw new RuntimeError('PASST_MISSING', `passt is missing: looked in ${directories.join(', ')}`, {
    hint: 'install it (Debian from 12, Ubuntu from 23.04, Fedora: passt), set [vmm] passt in ucrun\'s config.toml, or [network] mode to "auto"',
  });
}
