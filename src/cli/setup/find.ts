import { RuntimeError } from '../../base/runtime-error.ts';
import { findEngineProgram, versionOutput } from '../../host/find-engine.ts';
import { type EngineName, parseEngineVersion } from '../../setup/engine.ts';
import type { FoundEngine } from './engine-setup.ts';

/** What an engine's program is called. */
export const enginePrograms: Readonly<Record<EngineName, string>> = {
  podman: 'podman',
  docker: 'dockerd',
  containerd: 'containerd',
  crio: 'crio',
};

/** An engine, if it is installed and tells its version. */
export function findEngine(name: EngineName, env: NodeJS.ProcessEnv): FoundEngine | undefined {
  const program = findEngineProgram(enginePrograms[name], env.PATH);
  if (program === undefined) return undefined;
  // With a mistake in its configuration podman does not even tell its version.
  const output = versionOutput(program, { ...env, CONTAINERS_CONF: '/dev/null' });
  const version = parseEngineVersion(output);
  const versionText = /(?:^|\s)v?(\d+\.\d+[^\s,]*)/.exec(output)?.[1];
  return version === undefined || versionText === undefined
    ? undefined
    : { name, program, version, versionText };
}

/** An engine that has to be there. @throws RuntimeError TOOL_MISSING */
export function requireEngine(name: EngineName, env: NodeJS.ProcessEnv): FoundEngine {
  const found = findEngine(name, env);
  if (found !== undefined) return found;
  throw new RuntimeError('TOOL_MISSING', `${enginePrograms[name]} is missing, or does not say its version`, {
    hint: `install ${name} first, and run this again`,
  });
}
