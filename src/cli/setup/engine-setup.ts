import type { EngineName, EngineVersion, Wish } from '../../setup/engine.ts';

/** Who sets an engine up, and where. */
export interface SetupContext {
  readonly wish: Wish;
  readonly env: NodeJS.ProcessEnv;
  /** Root of the host, whose configuration is the system's. */
  readonly isHostRoot: boolean;
  readonly home: string | undefined;
}

/** An engine as it was found, and what is to be done for it. */
export interface EngineSetup {
  /** Its name and version, for people. */
  readonly title: string;
  /** The file that ucrun is to be in. */
  readonly path: string;
  /**
   * The file with ucrun in it.
   * @param text empty for a file that is not there
   */
  plan(text: string): string;
  /**
   * Ask the engine whether it takes the file that was written, and knows ucrun by it.
   * @throws RuntimeError TOOL_FAILED with what it says
   */
  validate(): void;
  /** What to do then, a line each. */
  readonly nextSteps: readonly string[];
}

/** An engine that is installed. */
export interface FoundEngine {
  readonly name: EngineName;
  /** The absolute path of its program. */
  readonly program: string;
  readonly version: EngineVersion;
  /** The version as it prints it. */
  readonly versionText: string;
}
