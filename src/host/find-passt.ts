import { RuntimeError } from '../base/runtime-error.ts';
import { isProgram, programDirectories } from './files.ts';

/**
 * The absolute path of passt.
 * @param configured the configuration's `[vmm] passt`, or undefined to search the usual directories and then PATH
 * @returns undefined where nothing is configured and none is found
 * @throws RuntimeError PASST_MISSING if what is configured is no program
 */
export function findPasst(
  configured: string | undefined,
  searchPath: string | undefined,
): string | undefined {
  if (configured === undefined)
    return directoriesOf(searchPath)
      .map((directory) => `${directory}/passt`)
      .find(isProgram);
  if (isProgram(configured)) return configured;
  throw new RuntimeError('PASST_MISSING', `passt is missing: the configuration says "${configured}"`, {
    hint: 'correct the key "passt" of [vmm] in ucrun\'s config.toml',
  });
}

/**
 * The same where there has to be one.
 * @throws RuntimeError PASST_MISSING
 */
export function requirePasst(configured: string | undefined, searchPath: string | undefined): string {
  const found = findPasst(configured, searchPath);
  if (found !== undefined) return found;
  throw new RuntimeError(
    'PASST_MISSING',
    `passt is missing: looked in ${directoriesOf(searchPath).join(', ')}`,
    {
      hint: 'install it (Debian from 12, Ubuntu from 23.04, Fedora: passt), set [vmm] passt in ucrun\'s config.toml, or [network] mode to "auto"',
    },
  );
}

function directoriesOf(searchPath: string | undefined): readonly string[] {
  return programDirectories(searchPath, ['/usr/bin', '/usr/local/bin']);
}
