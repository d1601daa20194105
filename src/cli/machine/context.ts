import { RuntimeError } from '../../base/runtime-error.ts';
import type { MachineHost } from '../../machine/host.ts';
import { machinePlaces, type Scope } from '../../machine/places.ts';
import { MachineRouter } from '../../machine/router.ts';
import { statePaths } from '../../runtime/state-dir.ts';
import { identify, isHostRoot, readConfigFor } from '../config-for.ts';

/** Whose machines a command is about. */
export interface ScopeOptions {
  readonly system?: boolean | undefined;
  readonly user?: boolean | undefined;
}

/** What the commands below `machine` work with. */
export interface MachineContext {
  readonly host: MachineHost;
  readonly machines: MachineRouter;
}

/** @throws RuntimeError CONFIG_INVALID, USAGE */
export async function machineContext(
  env: NodeJS.ProcessEnv,
  { system, user }: ScopeOptions,
): Promise<MachineContext> {
  if (system === true && user === true) {
    throw new RuntimeError('USAGE', 'options --system and --user exclude each other', {
      hint: "say --user for the user's own machines, --system for those of the host",
    });
  }
  const identity = identify();
  const isRoot = isHostRoot(identity);
  const scope: Scope = system === true || (user !== true && isRoot) ? 'system' : 'user';
  if (isRoot && scope === 'user') {
    throw new RuntimeError('USAGE', "root has no machines beside the host's", {
      hint: 'leave out --user',
    });
  }
  if (scope === 'system' && !isRoot) {
    throw new RuntimeError('HOST_FAILED', "the host's machines are root's to manage", {
      hint: 'run the command as root, or leave out --system for machines of your own',
    });
  }
  const config = await readConfigFor(identity, env);
  const { stateRoot } = statePaths(
    {
      configuredStateDir: config.stateDir,
      xdgRuntimeDir: env.XDG_RUNTIME_DIR,
      isHostRoot: isRoot,
      crunRoot: undefined,
    },
    'any',
  );
  const host: MachineHost = {
    places: machinePlaces(scope, env, identity.euid),
    config,
    env,
    isRoot,
    stateRoot,
    self: process.execPath,
  };
  return { host, machines: new MachineRouter(host) };
}
