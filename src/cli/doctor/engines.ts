import { isProgram } from '../../host/files.ts';
import { readForeignText } from '../../host/text-file.ts';
import { containerdRuntime } from '../../setup/containerd.ts';
import { crioRuntime } from '../../setup/crio.ts';
import { dockerRuntime } from '../../setup/docker.ts';
import { type ConfigText, type EngineName, engineNames, isAtLeast } from '../../setup/engine.ts';
import { podmanRuntime } from '../../setup/podman.ts';
import { asRuntimeError } from '../report-error.ts';
import { containerdFiles } from '../setup/containerd.ts';
import { crioFiles } from '../setup/crio.ts';
import { daemonJson } from '../setup/docker.ts';
import type { FoundEngine } from '../setup/engine-setup.ts';
import { findEngine } from '../setup/find.ts';
import { podmanConfigs } from '../setup/podman.ts';
import { type Check, not, ok } from './check.ts';
import type { DoctorContext } from './context.ts';
import type { EngineNeed } from './programs.ts';

/** The engines that are installed. */
export function installedEngines({ env }: DoctorContext): readonly FoundEngine[] {
  return engineNames.flatMap((name) => findEngine(name, env) ?? []);
}

/** What an engine asks of crun. */
export function needOf({ name, version, versionText }: FoundEngine): EngineNeed {
  const writesNewSpecs =
    (name === 'podman' && isAtLeast(version, [5, 0])) ||
    (name === 'containerd' && isAtLeast(version, [2, 0]));
  return { title: `${name} ${versionText}`, writesNewSpecs };
}

/** Whether each engine knows ucrun. */
export function engineChecks(context: DoctorContext, engines: readonly FoundEngine[]): readonly Check[] {
  if (engines.length === 0)
    return [
      not(
        'note',
        'engines',
        'none is installed',
        'for containers install podman, then: sudo ucrun setup podman',
      ),
    ];
  return engines.map(({ name, versionText }) => {
    try {
      const path = runtimeOf(name, context);
      const command = `${name === 'podman' && !context.isHostRoot ? '' : 'sudo '}ucrun setup ${name}`;
      return engineCheck({
        name,
        versionText,
        path,
        isThere: path === undefined || isProgram(path),
        command,
      });
    } catch (error) {
      const known = asRuntimeError(error);
      if (known === undefined) throw error;
      return not('warning', name, `${versionText}; ${known.message}`, known.hint ?? 'correct that file');
    }
  });
}

/** What is to be said of an engine. Pure. */
export function engineCheck(engine: {
  readonly name: EngineName;
  readonly versionText: string;
  /** The program that it knows as "ucrun". */
  readonly path: string | undefined;
  readonly isThere: boolean;
  readonly command: string;
}): Check {
  const { name, versionText, path, isThere, command } = engine;
  if (path === undefined) return not('warning', name, `${versionText}, does not know ucrun`, command);
  if (!isThere)
    return not(
      'problem',
      name,
      `${versionText}, has ucrun at ${path}, which is missing`,
      `install ucrun there, or: ${command}`,
    );
  return ok(name, `${versionText}, has ucrun at ${path}`);
}

function runtimeOf(name: EngineName, { env, isHostRoot, home }: DoctorContext): string | undefined {
  switch (name) {
    case 'podman':
      return podmanRuntime(podmanConfigs(env, { isHostRoot, home }));
    case 'docker':
      return firstOf([daemonJson], dockerRuntime);
    case 'containerd':
      return firstOf(containerdFiles(), containerdRuntime);
    case 'crio':
      return firstOf(crioFiles(), crioRuntime);
  }
}

function firstOf(
  paths: readonly string[],
  find: (file: ConfigText) => string | undefined,
): string | undefined {
  return paths
    .map((path) => {
      const text = readForeignText(path);
      return text === undefined ? undefined : find({ path, text });
    })
    .find((found) => found !== undefined);
}
