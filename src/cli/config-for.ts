import { ownUidMap } from '../host/host-facts.ts';
import { type Caller, readConfig } from '../host/read-config.ts';
import type { OnProblem } from '../unikernel/config.ts';
import type { Config } from '../unikernel/config-defaults.ts';
import { isInitialMap } from '../unikernel/id-mapping.ts';

/** Who calls ucrun. */
export type Identity = Pick<Caller, 'euid' | 'inUserNamespace'>;

/** Find out who calls; it costs reading a file, so once for each call is enough. */
export function identify(): Identity {
  return { euid: process.geteuid?.() ?? 0, inUserNamespace: !isInitialMap(ownUidMap()) };
}

/** Whether it is root of the host; everyone else has state and configuration of their own. */
export function isHostRoot({ euid, inUserNamespace }: Identity): boolean {
  return euid === 0 && !inUserNamespace;
}

/**
 * The configuration that is the caller's.
 * @throws RuntimeError CONFIG_INVALID, unless there is an `onProblem` that returns
 */
export async function readConfigFor(
  identity: Identity,
  env: NodeJS.ProcessEnv,
  onProblem?: OnProblem,
): Promise<Config> {
  return await readConfig({ env, ...identity }, onProblem);
}
