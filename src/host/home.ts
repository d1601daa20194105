import { toHostId } from '../unikernel/id-mapping.ts';
import { readTextIfThere } from './files.ts';
import { ownUidMap } from './host-facts.ts';

/**
 * The user's home directory. An engine's environment does not always say, as on podman's kill and delete: then /etc/passwd does.
 * @see passwd(5)
 */
export function homeDirectory(env: NodeJS.ProcessEnv, euid: number): string | undefined {
  if (env.HOME?.startsWith('/')) return env.HOME;
  // In an engine's user namespace its user is 0; /etc/passwd has the id that it has outside.
  const uid = toHostId(ownUidMap(), euid) ?? euid;
  const entry = readTextIfThere('/etc/passwd')
    ?.split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[2] === String(uid));
  return entry?.[5];
}
