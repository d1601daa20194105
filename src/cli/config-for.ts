import type { RuntimeError } from '../base/runtime-error.ts';
import { ownUidMap } from '../host/host-facts.ts';
import { type Caller, readConfig } from '../host/read-config.ts';
import type { Config } from '../unikernel/config-defaults.ts';
import { isInitialMap } from '../unikernel/id-mapping.ts';

/** Who calls: root of the host, or someone whose state and configuration are their own. */
export function isHostRoot(): boolean {
  return process.geteuid?.() === 0 && isInitialMap(ownUidMap());
}

/** The configuration that is the caller's. @throws RuntimeError CONFIG_INVALID */
export async function readConfigFor(env: NodeJS.ProcessEnv): Promise<Config> {
  return await readConfig(callerWith(env));
}

/**
 * The same for what must not fail because of the configuration: what of it can be used, and what is wrong with the rest.
 * A mistake in the file stops new containers; one that exists must still be seen, stopped and removed.
 */
export async function readUsableConfigFor(
  env: NodeJS.ProcessEnv,
): Promise<{ readonly config: Config; readonly problems: readonly RuntimeError[] }> {
  const problems: RuntimeError[] = [];
  const config = await readConfig(callerWith(env), (problem) => problems.push(problem));
  return { config, problems };
}

function callerWith(env: NodeJS.ProcessEnv): Caller {
  return { env, euid: process.geteuid?.() ?? 0, inUserNamespace: !isInitialMap(ownUidMap()) };
}
