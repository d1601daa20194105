import type { RuntimeError } from '../../base/runtime-error.ts';
import { homeDirectory } from '../../host/home.ts';
import { statePaths } from '../../runtime/state-dir.ts';
import type { Config } from '../../unikernel/config-defaults.ts';
import { identify, isHostRoot, readConfigFor } from '../config-for.ts';

/** Whose host is looked at, and by which settings. */
export interface DoctorContext {
  readonly config: Config;
  /** What is wrong with the configuration; the defaults hold in its place. */
  readonly problems: readonly RuntimeError[];
  readonly env: NodeJS.ProcessEnv;
  readonly euid: number;
  readonly isHostRoot: boolean;
  readonly home: string | undefined;
  readonly stateRoot: string;
}

export async function doctorContext(env: NodeJS.ProcessEnv): Promise<DoctorContext> {
  const identity = identify();
  const problems: RuntimeError[] = [];
  const config = await readConfigFor(identity, env, (problem) => problems.push(problem));
  const isRoot = isHostRoot(identity);
  const { stateRoot } = statePaths(
    {
      configuredStateDir: config.stateDir,
      xdgRuntimeDir: env.XDG_RUNTIME_DIR,
      isHostRoot: isRoot,
      crunRoot: undefined,
    },
    'any',
  );
  const { euid } = identity;
  return { config, problems, env, euid, isHostRoot: isRoot, home: homeDirectory(env, euid), stateRoot };
}
