import { realpathSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { isErrno } from '../base/errno.ts';
import { nearest } from '../base/nearest.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import type { Config } from '../unikernel/config-defaults.ts';
import { exists, listDirectory, readTextIfThere } from './files.ts';
import { findOpsImage, listOpsImages, opsImageDirectories } from './ops-images.ts';

/** Where unikernels are looked up by their names, in this order. */
export interface Registries {
  /** Directories with a folder for each unikernel. */
  readonly folders: readonly string[];
  /** Directories with the disk images that `ops` makes. */
  readonly opsImages: readonly string[];
}

/** Where this user's unikernels are: in the registries that the configuration names, then where `ops` has them. */
export function registriesFor(
  { registries }: Pick<Config, 'registries'>,
  env: NodeJS.ProcessEnv,
): Registries {
  return { folders: registries, opsImages: opsImageDirectories(env, process.geteuid?.() ?? 0) };
}

/** A unikernel of the registry, as it was found. */
export interface RegistryEntry {
  readonly name: string;
  /** The folder that holds `unikernel.json`; its files are named relative to it. */
  readonly directory: string;
  /** The text's JSON, unchecked. */
  readonly content: Readonly<Record<string, unknown>>;
  /** The path of `unikernel.json`, or of what stands for one, for error texts. */
  readonly source: string;
}

/**
 * Look a name up in the registries, in their order.
 * @param name checked by detect.ts: it cannot leave the registry
 * @throws RuntimeError UNIKERNEL_UNKNOWN listing the names there are, UNIKERNEL_INVALID if its file is no JSON object
 */
export function findInRegistries(registries: Registries, name: string): RegistryEntry {
  for (const registry of registries.folders) {
    const entry = readEntry(registry, name);
    if (entry !== undefined) return entry;
  }
  for (const directory of registries.opsImages) {
    const entry = opsEntry(directory, name);
    if (entry !== undefined) return entry;
  }
  throw unknownName(registries, name);
}

/**
 * The folder of a unikernel, whatever is in it: one that cannot be read can be removed.
 * @param name checked by detect.ts
 * @throws RuntimeError UNIKERNEL_UNKNOWN, UNIKERNEL_INVALID for an image of `ops`'
 */
export function findFolder(registries: Registries, name: string): string {
  const registry = registries.folders.find((folder) => exists(`${folder}/${name}/unikernel.json`));
  if (registry !== undefined) return `${registry}/${name}`;
  for (const directory of registries.opsImages) {
    const file = findOpsImage(directory, name);
    if (file === undefined) continue;
    throw new RuntimeError('UNIKERNEL_INVALID', `"${name}" is an image of ops, and not in the registry`, {
      hint: `remove it with "ops image delete", or the file ${file}`,
    });
  }
  throw unknownName(registries, name);
}

function unknownName(registries: Registries, name: string): RuntimeError {
  const names = listRegistries(registries);
  const near = nearest(name, names);
  return new RuntimeError(
    'UNIKERNEL_UNKNOWN',
    `unikernel "${name}" is unknown; ${namesText(names, registries)}`,
    {
      hint:
        near === undefined
          ? `put it into a folder ${registries.folders[0] ?? '(no registry is configured)'}/${name}, or add it with "ucrun image"`
          : `did you mean "${near}"?`,
    },
  );
}

/** Every name in the registries, sorted, each once. */
export function listRegistries(registries: Registries): readonly string[] {
  const names = registries.folders.flatMap((registry) =>
    // What begins with a dot is not whole yet, or not any more.
    listDirectory(registry).filter(
      (name) => !name.startsWith('.') && exists(`${registry}/${name}/unikernel.json`),
    ),
  );
  return [...new Set([...names, ...registries.opsImages.flatMap(listOpsImages)])].sort();
}

/**
 * The host path of a file that an entry names. The registry is the administrator's, so a link in it may lead elsewhere.
 * @throws RuntimeError KERNEL_MISSING
 */
export function resolveInEntry(entry: RegistryEntry, path: string, what: string): string {
  try {
    const resolved = realpathSync(path.startsWith('/') ? path : `${entry.directory}/${path}`);
    if (statSync(resolved).isFile()) return resolved;
    throw new RuntimeError(
      'KERNEL_MISSING',
      `${what} "${path}" of unikernel "${entry.name}" is not a regular file`,
    );
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw cause;
    throw new RuntimeError('KERNEL_MISSING', `${what} "${path}" of unikernel "${entry.name}" is missing`, {
      cause,
      hint: `${entry.source} names it; put the file there, or correct the name`,
    });
  }
}

function readEntry(registry: string, name: string): RegistryEntry | undefined {
  const directory = `${registry}/${name}`;
  const source = `${directory}/unikernel.json`;
  const text = readTextIfThere(source);
  if (text === undefined) return undefined;
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new RuntimeError('UNIKERNEL_INVALID', `${source} is not JSON: ${jsonProblem(cause)}`, {
      cause,
      hint: `"jq . ${source}" checks it`,
    });
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new RuntimeError('UNIKERNEL_INVALID', `${source} must hold a JSON object`);
  }
  return { name, directory, source, content: content as Readonly<Record<string, unknown>> };
}

/** An image of `ops`' as if it had a definition. */
function opsEntry(directory: string, name: string): RegistryEntry | undefined {
  const source = findOpsImage(directory, name);
  if (source === undefined) return undefined;
  return { name, directory, source, content: { guest: 'nanos', disk: basename(source) } };
}

/** Where JSON.parse stopped. Its own words may quote the file, so they are for the debug log. */
function jsonProblem(error: unknown): string {
  const [, line, column] = /\(line (\d+) column (\d+)\)/.exec(String(error)) ?? [];
  return line === undefined ? 'it ends too early' : `line ${line}, column ${column}`;
}

function namesText(names: readonly string[], { folders, opsImages }: Registries): string {
  const where = [...folders, ...opsImages].join(', ');
  return names.length === 0 ? `there is none in ${where}` : `there are: ${names.join(', ')}`;
}
