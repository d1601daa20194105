import { type Registries, registriesFor } from '../../host/registry.ts';
import { statePaths } from '../../runtime/state-dir.ts';
import type { Config } from '../../unikernel/config-defaults.ts';
import { identify, isHostRoot, readConfigFor } from '../config-for.ts';

/** What the commands below `image` work with. */
export interface ImageContext {
  readonly config: Config;
  readonly registries: Registries;
  readonly env: NodeJS.ProcessEnv;
  /** Where the records of this user's containers are. */
  readonly stateRoot: string;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
  /** Says how far a long copy is; does nothing where nobody looks. */
  readonly progress: Progress;
}

export interface Progress {
  readonly isShown: boolean;
  /** Begin, with the number of bytes that there are to do. */
  begin(what: string, totalBytes: number): void;
  readonly onBytes: (count: number) => void;
  end(): void;
}

/** What a command has found or done. */
export interface Answer {
  /** For people, with its last line's end; empty: nothing. */
  readonly text: string;
  /** The same for programs. */
  readonly json: unknown;
  /** Remarks for stderr, in either case. */
  readonly notes?: readonly string[];
  readonly status?: number;
}

/** @throws RuntimeError CONFIG_INVALID */
export async function imageContext(
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
  progress: Progress,
): Promise<ImageContext> {
  const identity = identify();
  const config = await readConfigFor(identity, env);
  const { stateRoot } = statePaths(
    {
      configuredStateDir: config.stateDir,
      xdgRuntimeDir: env.XDG_RUNTIME_DIR,
      isHostRoot: isHostRoot(identity),
      crunRoot: undefined,
    },
    'any',
  );
  return { config, registries: registriesFor(config, env), env, stateRoot, signal, progress };
}
