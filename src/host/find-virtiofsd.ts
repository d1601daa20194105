import { realpathSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import { isProgram, programDirectories } from './files.ts';

const usualDirectories = ['/usr/libexec', '/usr/lib'];

/** Where QEMU before 8.0 has a virtiofsd of its own, which does not run without capabilities. */
const qemuDirectory = '/usr/lib/qemu/';

/**
 * The absolute path of virtiofsd.
 * @param configured the configuration's `[vmm] virtiofsd`, or undefined to search the usual directories and then PATH
 * @throws RuntimeError VIRTIOFSD_MISSING
 */
export function findVirtiofsd(configured: string | undefined, searchPath: string | undefined): string {
  if (configured !== undefined) {
    if (isVirtiofsd(configured)) return configured;
    throw new RuntimeError(
      'VIRTIOFSD_MISSING',
      `virtiofsd is missing: the configuration says "${configured}"`,
      {
        hint: 'correct the key "virtiofsd" of [vmm] in ucrun\'s config.toml: it is the program of the package virtiofsd, and not QEMU\'s own',
      },
    );
  }
  const directories = [...new Set([...usualDirectories, ...programDirectories(searchPath, [])])];
  const found = directories.map((directory) => `${directory}/virtiofsd`).find(isVirtiofsd);
  if (found !== undefined) return found;
  throw new RuntimeError('VIRTIOFSD_MISSING', `virtiofsd is missing: looked in ${directories.join(', ')}`, {
    hint: 'install it (Debian from 13, Ubuntu from 24.04, Fedora: virtiofsd), set [vmm] virtiofsd in ucrun\'s config.toml, or "share" to "9p"',
  });
}

function isVirtiofsd(path: string): boolean {
  return isProgram(path) && !realpathSync(path).startsWith(qemuDirectory);
}
