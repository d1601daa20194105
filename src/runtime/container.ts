import type { CommandLine } from '../forward/command-line.ts';
import type { Config } from '../unikernel/config-defaults.ts';
import type { StatePaths } from './state-dir.ts';

/** What every verb is handed: the engine's call, and where things are. */
export interface Call {
  readonly line: CommandLine;
  readonly env: NodeJS.ProcessEnv;
  readonly config: Config;
  /** crun's absolute path; searched for when first asked. */
  readonly crun: () => string;
  /** ucrun's own absolute path, for the hook of `run`. */
  readonly self: string;
  readonly isHostRoot: boolean;
  readonly log: DebugLog;
}

/** A call about one container. */
export interface ContainerCall extends Call {
  readonly id: string;
  readonly paths: StatePaths;
}

/** Notes for the debug log; nothing is loaded where there is no such log. */
export type DebugLog = (message: string, fields?: Readonly<Record<string, unknown>>) => void;
