import { realpathSync, statSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { nearest } from '../base/nearest.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { exists, listDirectory, readTextIfThere } from './files.ts';

/** A unikernel of the registry, as it was found. */
export interface RegistryEntry {
  readonly name: string;
  /** The folder that holds `unikernel.json`; its files are named relative to it. */
  readonly directory: string;
  /** The text's JSON, unchecked. */
  readonly content: Readonly<Record<string, unknown>>;
  /** The path of `unikernel.json`, for error texts. */
  readonly source: string;
}

/**
 * Look a name up in the registries, in their order.
 * @param name checked by detect.ts: it cannot leave the registry
 * @throws RuntimeError UNIKERNEL_UNKNOWN listing the names there are, UNIKERNEL_INVALID if its file is no JSON object
 */
export function findInRegistries(registries: readonly string[], name: string): RegistryEntry {
  for (const registry of registries) {
    const entry = readEntry(registry, name);
    if (entry !== undefined) return entry;
  }
  const names = listRegistries(registries);
  const near = nearest(name, names);
  throw new RuntimeError(
    'UNIKERNEL_UNKNOWN',
    `unikernel "${name}" is unknown; ${namesText(names, registries)}`,
    {
      hint:
        near === undefined
          ? `put it into a folder ${registries[0] ?? '(no registry is configured)'}/${name}`
          : `did you mean "${near}"?`,
    },
  );
}

/** Every name in the registries, sorted, each once. */
export function listRegistries(registries: readonly string[]): readonly string[] {
  const names = registries.flatMap((registry) =>
    listDirectory(registry).filter((name) => exists(`${registry}/${name}/unikernel.json`)),
  );
  return [...new Set(names)].sort();
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

/** Where JSON.parse stopped. Its own words may quote the file, so they are for the debug log. */
function jsonProblem(error: unknown): string {
  const [, line, column] = /\(line (\d+) column (\d+)\)/.exec(String(error)) ?? [];
  return line === undefined ? 'it ends too early' : `line ${line}, column ${column}`;
}

function namesText(names: readonly string[], registries: readonly string[]): string {
  const where = registries.join(', ');
  return names.length === 0 ? `there is none in ${where}` : `there are: ${names.join(', ')}`;
}
