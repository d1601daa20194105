/** The engines that `ucrun setup` knows. */
export const engineNames = ['podman', 'docker', 'containerd', 'crio'] as const;
export type EngineName = (typeof engineNames)[number];

/** What an engine is to know. */
export interface Wish {
  /** The absolute path of ucrun. */
  readonly ucrun: string;
  /** Whether it is for containers of which nobody says a runtime, too. */
  readonly isDefault: boolean;
}

/** The first two numbers of a version. */
export type EngineVersion = readonly [major: number, minor: number];

/** A file of an engine's configuration. */
export interface ConfigText {
  readonly path: string;
  readonly text: string;
}

/**
 * The version in what an engine prints with `--version`: the first word that begins with two numbers.
 * @returns undefined if there is none
 */
export function parseEngineVersion(output: string): EngineVersion | undefined {
  const [, major, minor] = /(?:^|\s)v?(\d+)\.(\d+)/.exec(output) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor)];
}

/** Whether a version is that one or a newer. */
export function isAtLeast(version: EngineVersion, [major, minor]: EngineVersion): boolean {
  return version[0] > major || (version[0] === major && version[1] >= minor);
}
