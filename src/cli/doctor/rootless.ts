import { accessSync, constants } from 'node:fs';
import { userInfo } from 'node:os';
import { readTextIfThere } from '../../host/files.ts';
import { findEngineProgram } from '../../host/find-engine.ts';
import { type Check, not, ok } from './check.ts';
import type { DoctorContext } from './context.ts';

/** What a user other than root needs to run containers. */
export function rootlessChecks({ isHostRoot, env, euid }: DoctorContext): readonly Check[] {
  if (isHostRoot) return [];
  const name = userName() ?? String(euid);
  const find = (program: string) => findEngineProgram(program, env.PATH);
  const runtimeDir = env.XDG_RUNTIME_DIR;
  return [
    idsCheck('subuid', readTextIfThere('/etc/subuid'), name, euid),
    idsCheck('subgid', readTextIfThere('/etc/subgid'), name, euid),
    programCheck(
      'id maps',
      ['newuidmap'].filter((each) => find(each)),
      'problem',
      'newuidmap is missing',
      'install uidmap (Fedora: shadow-utils)',
    ),
    programCheck(
      'rootless network',
      ['pasta', 'slirp4netns'].filter((each) => find(each)),
      'warning',
      'neither pasta nor slirp4netns is there',
      'install passt or slirp4netns',
    ),
    runtimeDir !== undefined && isWritable(runtimeDir)
      ? ok('XDG_RUNTIME_DIR', runtimeDir)
      : not(
          'problem',
          'XDG_RUNTIME_DIR',
          runtimeDir === undefined ? 'not set' : `${runtimeDir} cannot be written to`,
          'log in by ssh or on a console instead of by su; for services: loginctl enable-linger',
        ),
  ];
}

/**
 * Whether a user has ids for containers, by the text of /etc/subuid or /etc/subgid. Pure.
 * @see subuid(5)
 */
export function idsCheck(
  file: 'subuid' | 'subgid',
  text: string | undefined,
  name: string,
  uid: number,
): Check {
  const found = (text ?? '')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([owner, , count]) => (owner === name || owner === String(uid)) && Number(count) > 0);
  if (found !== undefined) return ok(file, `${found[2]} ids from ${found[1]}`);
  const option = file === 'subuid' ? '--add-subuids' : '--add-subgids';
  return not(
    'problem',
    file,
    `/etc/${file} has nothing for ${name}`,
    `sudo usermod ${option} 100000-165535 ${name}`,
  );
}

function programCheck(
  what: string,
  found: readonly string[],
  status: 'warning' | 'problem',
  missing: string,
  remedy: string,
): Check {
  return found.length > 0 ? ok(what, found.join(', ')) : not(status, what, missing, remedy);
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A user without an entry in the databases has no name. */
function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}
