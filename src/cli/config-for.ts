import { ownUidMap } from '../host/host-facts.ts';
import { readConfig } from '../host/read-config.ts';
import type { OnProblem } from '../unikernel/config.ts';
import type { Config } from '../unikernel/config-defaults.ts';
import { isInitialMap } from '../unikernel/id-mapping.ts';

/** Who calls: root of the host, or someone whose state and configuration are their own. */
export function isHostRoot(): boolean {
  return process.geteuid?.() === 0 && isInitialMap(ownUidMap());
}

/**
 * The configuration that is the caller's.
 * @throws RuntimeError CONFIG_INVALID, unless there is an `onProblem` that returns
 */
export async function readConfigFor(env: NodeJS.ProcessEnv, onProblem?: OnProblem): Promise<Config> {
  const caller = { env, euid: process.geteuid?.() ?? 0, inUserNamespace: !isInitialMap(ownUidMap()) };
  return await readConfig(caller, onProblem);
}
