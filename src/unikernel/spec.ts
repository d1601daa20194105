import { RuntimeError } from '../base/runtime-error.ts';

/**
 * The fields of an OCI specification that ucrun acts on, checked; `raw` keeps everything for crun.
 * Unknown fields are ignored, as the specification's "Extensibility" demands; a field of the wrong type is an error.
 * @see opencontainers/runtime-spec v1.2.0 config.md, config-linux.md
 */
export interface Spec {
  readonly raw: JsonObject;
  readonly ociVersion: string;
  /** As written: absolute, or relative to the bundle. */
  readonly rootPath: string;
  readonly rootReadOnly: boolean;
  readonly args: readonly string[];
  /** The program's working directory, absolute. */
  readonly cwd: string;
  readonly user: SpecUser;
  readonly env: readonly string[];
  /** Whether the limit of open files is the specification's, and not inherited. */
  readonly setsOpenFilesLimit: boolean;
  readonly hostname: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly namespaces: readonly Namespace[];
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
  /** Bytes; undefined where there is no limit. */
  readonly memoryLimitBytes: number | undefined;
  /** CPUs that the quota allows, such as 1.5; undefined where there is no quota. */
  readonly cpuQuota: number | undefined;
  /** How many CPUs it may run on; undefined where that is not limited. */
  readonly cpusetSize: number | undefined;
}

export type JsonObject = { readonly [key: string]: unknown };

/** Whom the engine would have the program run as. */
export interface SpecUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
}

export interface Mount {
  readonly destination: string;
  readonly type: string | undefined;
  readonly source: string | undefined;
  readonly options: readonly string[];
  readonly raw: JsonObject;
}

export interface Namespace {
  readonly type: string;
  readonly path: string | undefined;
}

export interface IdMapping {
  readonly containerId: number;
  readonly hostId: number;
  readonly size: number;
}

/**
 * Read the text of a `config.json`.
 * @throws RuntimeError SPEC_INVALID, naming the field
 */
export function parseSpec(text: string): Spec {
  let raw: unknown;
  try {
    raw = parseExactly(text);
  } catch (cause) {
    throw new RuntimeError('SPEC_INVALID', 'config.json of the bundle is not JSON', { cause });
  }
  const spec = asObject(raw, 'config.json');
  const process = optionalObject(spec.process, 'process');
  const linux = optionalObject(spec.linux, 'linux');
  const root = optionalObject(spec.root, 'root');
  const resources = optionalObject(linux.resources, 'linux.resources');
  const memory = optionalObject(resources.memory, 'linux.resources.memory');
  return {
    raw: spec,
    ociVersion: asString(spec.ociVersion, 'ociVersion'),
    rootPath: asString(root.path ?? '', 'root.path'),
    rootReadOnly: root.readonly === true,
    args: asStrings(process.args, 'process.args'),
    cwd: optionalString(process.cwd, 'process.cwd') ?? '/',
    user: readUser(optionalObject(process.user, 'process.user')),
    env: asStrings(process.env, 'process.env'),
    setsOpenFilesLimit: asArray(process.rlimits, 'process.rlimits').some(
      (limit) => asObject(limit, 'process.rlimits[]').type === 'RLIMIT_NOFILE',
    ),
    hostname: optionalString(spec.hostname, 'hostname'),
    annotations: stringRecord(spec.annotations, 'annotations'),
    mounts: asArray(spec.mounts, 'mounts').map(readMount),
    namespaces: asArray(linux.namespaces, 'linux.namespaces').map(readNamespace),
    uidMappings: asArray(linux.uidMappings, 'linux.uidMappings').map((entry) =>
      readMapping(entry, 'linux.uidMappings'),
    ),
    gidMappings: asArray(linux.gidMappings, 'linux.gidMappings').map((entry) =>
      readMapping(entry, 'linux.gidMappings'),
    ),
    memoryLimitBytes: positive(memory.limit, 'linux.resources.memory.limit'),
    cpuQuota: readQuota(optionalObject(resources.cpu, 'linux.resources.cpu')),
    cpusetSize: readCpuset(optionalObject(resources.cpu, 'linux.resources.cpu')),
  };
}

/** TypeScript's library does not have them yet. @see ECMAScript proposal JSON.parse source text access */
const rawJson = JSON as typeof JSON & { rawJSON(text: string): object; isRawJSON(value: unknown): boolean };

/**
 * The value of a JSON text. An integer of more digits than a number can hold, such as the limit 2⁶⁴−1 for "unlimited", is kept as it
 * is written: JSON.stringify() writes it so again.
 * @throws SyntaxError
 */
export function parseExactly(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const keepLarge = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === 'number' &&
    Number.isInteger(value) &&
    !Number.isSafeInteger(value) &&
    context?.source !== undefined
      ? rawJson.rawJSON(context.source)
      : value;
  return JSON.parse(text, keepLarge as (key: string, value: unknown) => unknown);
}

/** The value of a variable in the container's environment; the last one wins, as in execve(2). */
export function environmentValue(spec: Pick<Spec, 'env'>, name: string): string | undefined {
  return spec.env.findLast((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** The namespace of a type, if the container has one of its own or joins one. */
export function findNamespace(spec: Pick<Spec, 'namespaces'>, type: string): Namespace | undefined {
  return spec.namespaces.find((namespace) => namespace.type === type);
}

function readMount(value: unknown): Mount {
  const mount = asObject(value, 'mounts[]');
  return {
    destination: asString(mount.destination, 'mounts[].destination'),
    type: optionalString(mount.type, 'mounts[].type'),
    source: optionalString(mount.source, 'mounts[].source'),
    options: asStrings(mount.options, 'mounts[].options'),
    raw: mount,
  };
}

function readUser(user: JsonObject): SpecUser {
  return {
    uid: asNumber(user.uid ?? 0, 'process.user.uid'),
    gid: asNumber(user.gid ?? 0, 'process.user.gid'),
    additionalGids: asArray(user.additionalGids, 'process.user.additionalGids').map((gid) =>
      asNumber(gid, 'process.user.additionalGids[]'),
    ),
  };
}

function readNamespace(value: unknown): Namespace {
  const namespace = asObject(value, 'linux.namespaces[]');
  const path = optionalString(namespace.path, 'linux.namespaces[].path');
  return { type: asString(namespace.type, 'linux.namespaces[].type'), path: path === '' ? undefined : path };
}

function readMapping(value: unknown, field: string): IdMapping {
  const mapping = asObject(value, `${field}[]`);
  return {
    containerId: asNumber(mapping.containerID, `${field}[].containerID`),
    hostId: asNumber(mapping.hostID, `${field}[].hostID`),
    size: asNumber(mapping.size, `${field}[].size`),
  };
}

function readQuota(cpu: JsonObject): number | undefined {
  const quota = positive(cpu.quota, 'linux.resources.cpu.quota');
  const period = positive(cpu.period, 'linux.resources.cpu.period') ?? 100_000;
  return quota === undefined ? undefined : quota / period;
}

/** A list such as `0-2,4`. What the kernel does not take crun refuses. @see cpuset(7), "Formats" */
function readCpuset(cpu: JsonObject): number | undefined {
  const text = optionalString(cpu.cpus, 'linux.resources.cpu.cpus') ?? '';
  const ranges = text.split(',').map((range) => /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(range));
  let size = 0;
  for (const range of ranges) {
    if (range === null) return undefined;
    const [, first, last = first] = range;
    size += Number(last) - Number(first) + 1;
  }
  return size > 0 ? size : undefined;
}

/** 0 and -1 mean "no limit" to every engine. */
function positive(value: unknown, field: string): number | undefined {
  // More than any machine has.
  if (value === undefined || value === null || rawJson.isRawJSON(value)) return undefined;
  const number = asNumber(value, field);
  return number > 0 ? number : undefined;
}

function asObject(value: unknown, field: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw invalid(field, 'an object', value);
}

function optionalObject(value: unknown, field: string): JsonObject {
  return value === undefined || value === null ? {} : asObject(value, field);
}

function asArray(value: unknown, field: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw invalid(field, 'a list', value);
}

function asString(value: unknown, field: string): string {
  if (typeof value === 'string') return value;
  throw invalid(field, 'a string', value);
}

function optionalString(value: unknown, field: string): string | undefined {
  return value === undefined || value === null ? undefined : asString(value, field);
}

function asStrings(value: unknown, field: string): readonly string[] {
  return asArray(value, field).map((entry) => asString(entry, `${field}[]`));
}

function stringRecord(value: unknown, field: string): Readonly<Record<string, string>> {
  const record = optionalObject(value, field);
  for (const [key, entry] of Object.entries(record)) asString(entry, `${field}["${key}"]`);
  return record as Readonly<Record<string, string>>;
}

function asNumber(value: unknown, field: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw invalid(field, 'a number', value);
}

function invalid(field: string, wanted: string, value: unknown): RuntimeError {
  const shown = value === undefined ? 'nothing' : JSON.stringify(value);
  return new RuntimeError(
    'SPEC_INVALID',
    `${field} in the bundle's config.json must be ${wanted}, not ${shown}`,
  );
}
