import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../base/errno.ts';
import { RuntimeError, raise } from '../base/runtime-error.ts';
import type { OnProblem } from '../unikernel/config.ts';
import { type Config, defaultConfig } from '../unikernel/config-defaults.ts';
import { homeDirectory } from './home.ts';

const usualSystemFile = '/etc/ucrun/config.toml';

/** Whose configuration it is. */
export interface Caller {
  readonly env: NodeJS.ProcessEnv;
  readonly euid: number;
  readonly inUserNamespace: boolean;
  /** The system's configuration; /etc/ucrun/config.toml if it is not given. */
  readonly systemFile?: string;
}

interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

/**
 * The host's configuration: from the file that `$UCRUN_CONFIG` names, else from the user's own if this is no real
 * root, else from the system's; the defaults where there is none of them.
 *
 * The environment is the engine's, not the container's, so whoever can set `UCRUN_CONFIG` there may choose. An engine
 * does not always pass it on: podman runs kill, delete, pause and resume with `XDG_RUNTIME_DIR` alone.
 * @param onProblem what to do about a file, key or value that is wrong; where it returns, the default holds
 * @throws RuntimeError CONFIG_INVALID, unless there is an `onProblem` that returns
 * @see etc/config.toml
 */
export async function readConfig(caller: Caller, onProblem: OnProblem = raise): Promise<Config> {
  let file: ConfigFile | undefined;
  try {
    file = findFile(caller);
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    onProblem(error);
  }
  if (file === undefined) return defaultConfig;
  // The parser is loaded only now: most hosts have no configuration file.
  const { parseConfig } = await import('../unikernel/config.ts');
  return parseConfig(file.text, file.path, onProblem);
}

function findFile({
  env,
  euid,
  inUserNamespace,
  systemFile = usualSystemFile,
}: Caller): ConfigFile | undefined {
  const named = env.UCRUN_CONFIG;
  if (named !== undefined && named !== '') return { path: named, text: readNamed(named) };

  const isRootless = euid !== 0 || inUserNamespace;
  const userFile = isRootless ? userFileOf(env, euid) : undefined;
  for (const path of [userFile, systemFile]) {
    const text = path === undefined ? undefined : readIfPresent(path);
    if (path !== undefined && text !== undefined) return { path, text };
  }
  return undefined;
}

function readNamed(path: string): string {
  // The engine chooses the working directory, so a relative path would mean a different file each time.
  if (!path.startsWith('/')) throw unusable(`UCRUN_CONFIG is "${path}", not an absolute path`);
  const text = readIfPresent(path);
  if (text === undefined) throw unusable(`configuration file "${path}" is missing`, 'UCRUN_CONFIG names it');
  return text;
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return undefined;
    if (isErrno(cause, 'EISDIR')) throw unusable(`configuration file "${path}" is a directory`);
    if (isErrno(cause, 'EACCES'))
      throw unusable(`this user may not read configuration file "${path}"`, undefined, cause);
    throw unusable(`cannot read configuration file "${path}"`, undefined, cause);
  }
}

/** @see XDG Base Directory Specification 0.8: a relative path in its variables is to be ignored */
function userFileOf(env: NodeJS.ProcessEnv, euid: number): string | undefined {
  const { XDG_CONFIG_HOME: given } = env;
  if (given?.startsWith('/')) return join(given, 'ucrun/config.toml');
  const home = homeDirectory(env, euid);
  return home === undefined ? undefined : join(home, '.config/ucrun/config.toml');
}

function unusable(message: string, hint?: string, cause?: unknown): RuntimeError {
  return new RuntimeError('CONFIG_INVALID', message, { hint, cause });
}
