import { readFileSync, realpathSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { lastValue, parseVerbArgs } from '../forward/command-line.ts';
import { isAcceptedByEveryCrun } from '../forward/oci-version.ts';
import { imageFiles } from '../host/rootfs-path.ts';
import type { Call, ContainerCall } from '../runtime/container.ts';
import { isContainerId } from '../runtime/state-dir.ts';
import { detectUnikernel } from '../unikernel/detect.ts';
import { parseSpec } from '../unikernel/spec.ts';
import { forward } from './forward.ts';

/**
 * `create` and `run`: read the bundle; a plain container is crun's, a unikernel's is ours.
 * @returns the exit status
 * @throws RuntimeError
 */
export async function createOrRun(
  call: Call,
  verb: 'create' | 'run',
  forContainer: (id: string) => ContainerCall,
): Promise<number> {
  const { options, positionals } = parseVerbArgs(verb, call.line.verbArgs);
  const isHelp = options.some(({ name }) => ['help', 'usage', '?', 'h'].includes(name));
  const id = positionals[0];
  if (isHelp || id === undefined) return await forward(call);
  const bundle = lastValue(options, 'bundle', 'b') ?? '.';
  const configFile = lastValue(options, 'config', 'f') ?? 'config.json';
  const spec = parseSpec(readBundle(bundle, configFile));
  const files = imageFiles(realRootfs(bundle, spec.rootPath));
  const source = detectUnikernel(spec, call.config.serviceName, files);
  if (source === undefined) {
    if (!isAcceptedByEveryCrun(spec.ociVersion)) {
      const { requireCrunFor } = await import('../forward/crun-version.ts');
      requireCrunFor(spec.ociVersion, call.crun(), forContainer(id).paths.stateRoot);
    }
    return await forward(call, spec.setsOpenFilesLimit);
  }
  if (!isContainerId(id)) {
    throw new RuntimeError('ID_INVALID', `"${id}" is not a container id`, {
      hint: 'an id is up to 128 letters, digits and the characters _ + - .',
    });
  }
  const found = { bundle: realpathSync(bundle), spec, source };
  const container = forContainer(id);
  if (verb === 'run') {
    const { runContainer } = await import('../runtime/run.ts');
    return await runContainer(container, found);
  }
  const { createContainer } = await import('../runtime/create.ts');
  return createContainer(container, found);
}

/** The container's root file system without links in its path; crun has the words for one that is missing. */
function realRootfs(bundle: string, rootPath: string): string | undefined {
  try {
    return realpathSync(rootPath.startsWith('/') ? rootPath : `${bundle}/${rootPath}`);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES')) return undefined;
    throw error;
  }
}

function readBundle(bundle: string, configFile: string): string {
  const path = configFile.startsWith('/') ? configFile : `${bundle}/${configFile}`;
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT', 'ENOTDIR')) throw cause;
    throw new RuntimeError('BUNDLE_MISSING', `"${path}" is missing`, {
      cause,
      hint: "name the bundle's folder with --bundle",
    });
  }
}
