import { realpathSync, statSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import type { Config } from '../unikernel/config-defaults.ts';
import { parseDefinition, type UnikernelDefinition } from '../unikernel/definition.ts';
import type { UnikernelSource } from '../unikernel/detect.ts';
import { annotationKey, type ImageSettings } from '../unikernel/image-settings.ts';
import { identifyKernel } from '../unikernel/kernel-format.ts';
import { withKernelReader } from './files.ts';
import { findInRegistries, type Registries, resolveInEntry } from './registry.ts';
import { placeInRootfs, resolveInRootfs } from './rootfs-path.ts';

/** A unikernel and the host paths of its files. */
export interface UnikernelFiles {
  readonly definition: UnikernelDefinition;
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
  /** As many as the definition has disks, in its order. */
  readonly disks: readonly string[];
}

/** Where files of the host's may be that a container's unikernel consists of. */
export type UnikernelPlaces = Registries & Pick<Config, 'vmDirectories'>;

/**
 * Find a unikernel's definition and its files, wherever it comes from.
 * @param rootfs the container's root file system without links in its path; asked for only if the unikernel is in it
 * @throws RuntimeError UNIKERNEL_UNKNOWN, UNIKERNEL_INVALID and what else is wrong with the definition, KERNEL_MISSING
 */
export function findUnikernelFiles(
  source: UnikernelSource,
  places: UnikernelPlaces,
  rootfs: () => string,
): UnikernelFiles {
  switch (source.kind) {
    case 'registry':
      return filesOfRegistry(places, source);
    case 'image': {
      const root = rootfs();
      return withFiles(definitionOf(source.image), (path, what) => resolveInRootfs(root, path, what));
    }
    case 'vm':
      return filesOfHost(source.image, places.vmDirectories);
  }
}

function definitionOf({ settings, written, source }: ImageSettings): UnikernelDefinition {
  return parseDefinition(settings, source, (key) => written[key] ?? annotationKey(key));
}

function filesOfRegistry(
  registries: Registries,
  source: Extract<UnikernelSource, { kind: 'registry' }>,
): UnikernelFiles {
  const entry = findInRegistries(registries, source.name);
  for (const key of ['initrd', 'root']) {
    if (key in source.overrides) {
      throw new RuntimeError(
        'UNIKERNEL_INVALID',
        `annotation "${annotationKey(key)}" contradicts SERVICE_NAME=${source.name}`,
        {
          hint: 'leave out the annotation for the unikernel of that name, or SERVICE_NAME for the one in the image',
        },
      );
    }
  }
  // Each is checked by itself first, so that an error names the place it comes from.
  const base = parseDefinition(entry.content, entry.source);
  const { guest, kernel, disk } = entry.content;
  const identity = {
    guest,
    ...(kernel === undefined ? {} : { kernel }),
    ...(disk === undefined ? {} : { disk }),
  };
  parseDefinition({ ...identity, ...source.overrides }, 'the annotations', annotationKey);
  const definition =
    Object.keys(source.overrides).length === 0
      ? base
      : parseDefinition({ ...entry.content, ...source.overrides }, entry.source);
  return withFiles(definition, (path, what) => resolveInEntry(entry, path, what));
}

/** The vm section of a specification has the host's paths, of which the administrator allows some. */
function filesOfHost(image: ImageSettings, directories: readonly string[]): UnikernelFiles {
  const settings =
    image.settings.guest === undefined
      ? { ...image.settings, guest: guestOf(image, directories) }
      : image.settings;
  return withFiles(definitionOf({ ...image, settings }), (path, what) =>
    resolveOnHost(directories, path, what),
  );
}

/** The section has no field for the guest type, but a kernel can be looked at. */
function guestOf({ settings }: ImageSettings, directories: readonly string[]): string {
  const { kernel } = settings;
  if (kernel === undefined) return 'nanos';
  const path = resolveOnHost(directories, kernel, 'kernel');
  return withKernelReader(path, identifyKernel)?.kind === 'bzimage' ? 'linux' : 'raw';
}

/** @throws RuntimeError UNIKERNEL_INVALID for a path that the configuration does not allow, KERNEL_MISSING */
function resolveOnHost(directories: readonly string[], path: string, what: string): string {
  const absolute = path.startsWith('/') ? path : `/${path}`;
  const found = realpathIfThere(absolute);
  // Nobody is told whether a file is there that may not be named: a missing one is judged by where it would be.
  const place = found ?? placeIfReadable(absolute);
  const isAllowed = directories
    .flatMap((directory) => realpathIfThere(directory) ?? [])
    .some((directory) => place?.startsWith(directory === '/' ? '/' : `${directory}/`) === true);
  if (!isAllowed) {
    throw new RuntimeError(
      'UNIKERNEL_INVALID',
      `${what} "${path}" of the vm section is not in an allowed directory`,
      {
        hint: "the administrator allows directories with vm_directories in ucrun's config.toml",
      },
    );
  }
  if (found !== undefined && statSync(found).isFile()) return found;
  throw new RuntimeError('KERNEL_MISSING', `${what} "${path}" of the vm section is missing`);
}

function placeIfReadable(path: string): string | undefined {
  try {
    return placeInRootfs('', path);
  } catch (error) {
    if (isErrno(error, 'EACCES')) return undefined;
    throw error;
  }
}

function realpathIfThere(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}

function withFiles(
  definition: UnikernelDefinition,
  resolve: (path: string, what: string) => string,
): UnikernelFiles {
  const { kernel, initrd, disks } = definition;
  return {
    definition,
    kernel: kernel === undefined ? undefined : resolve(kernel, 'kernel'),
    initrd: initrd === undefined ? undefined : resolve(initrd, 'initrd'),
    disks: disks.map(({ file }) => resolve(file, 'disk')),
  };
}
