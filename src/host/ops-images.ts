import { statSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { isNanosImage } from '../unikernel/nanos/partitions.ts';
import { listDirectory, withKernelReader } from './files.ts';
import { homeDirectory } from './home.ts';

const suffix = '.img';

/**
 * Where `ops` keeps the images of the user who calls.
 * @see nanovms/ops lepton/const.go (GetOpsHome), lepton/image.go
 */
export function opsImageDirectories(env: NodeJS.ProcessEnv, euid: number): readonly string[] {
  const homes = [env.OPS_HOME, homeDirectory(env, euid)].filter((home) => home?.startsWith('/'));
  return [...new Set(homes.map((home) => `${home}/.ops/images`))];
}

/** The image of a name: newer versions of `ops` write it as it is, older ones with an ending. */
export function findOpsImage(directory: string, name: string): string | undefined {
  return [`${directory}/${name}`, `${directory}/${name}${suffix}`].find(isImage);
}

/** The names of the images in a directory. */
export function listOpsImages(directory: string): readonly string[] {
  return readable(directory)
    .filter((file) => isImage(`${directory}/${file}`))
    .map((file) => (file.endsWith(suffix) ? file.slice(0, -suffix.length) : file))
    .filter((name) => /^[a-z0-9][a-z0-9._-]{0,63}$/.test(name));
}

function readable(directory: string): readonly string[] {
  try {
    return listDirectory(directory);
  } catch (error) {
    if (isErrno(error, 'EACCES')) return [];
    throw error;
  }
}

/** What this user may not look into is nothing of theirs. */
function isImage(path: string): boolean {
  try {
    return statSync(path).isFile() && withKernelReader(path, isNanosImage);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP')) return false;
    throw error;
  }
}
