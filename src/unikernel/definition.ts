import { nearest } from '../base/nearest.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { parseMiB } from '../base/size.ts';
import { foreignGuests } from './guests/foreign.ts';
import {
  type GuestKind,
  type GuestRoot,
  guestKinds,
  type ShareDriver,
  shareDrivers,
} from './guests/guest.ts';
import { guests } from './guests/index.ts';
import { type PortMapping, parsePorts } from './ports.ts';

/** A virtual machine model of QEMU's that ucrun knows how to drive. */
export type MachineModel = 'microvm' | 'q35';
export const machineModels: readonly MachineModel[] = ['microvm', 'q35'];

/** A unikernel as its owner wrote it down: in `unikernel.json`, or in annotations. Paths are not resolved yet. */
export interface UnikernelDefinition {
  readonly guest: GuestKind;
  /** undefined: the guest is booted from its first disk, or its kernel is taken from there. */
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
  readonly disks: readonly DefinedDisk[];
  /** undefined: what fits the files. */
  readonly root: GuestRoot | undefined;
  /** How directories are shared with the guest; undefined: the guest type's usual way. */
  readonly share: ShareDriver | undefined;
  readonly cmdline: string;
  readonly version: string | undefined;
  /** What of the container's environment the guest gets. */
  readonly environment: PassedEnvironment;
  readonly memoryMiB: number | undefined;
  readonly cpus: number | undefined;
  readonly ports: readonly PortMapping[];
  readonly model: MachineModel | undefined;
  /** How the guest is to be joined to the network; undefined: as the configuration has it. */
  readonly network: WantedNetwork | undefined;
  /** Whether the guest ends by itself when its power button is pressed; undefined: the guest type's habit. */
  readonly powerButton: boolean | undefined;
}

/** A disk image of the unikernel's, written `FILE`, `FILE:/mount/point` or `FILE:/mount/point:ro`. */
export interface DefinedDisk {
  readonly file: string;
  /** Where the guest is to mount it; undefined: it is for the guest to know. */
  readonly path: string | undefined;
  readonly readOnly: boolean;
}

/** `own`: what the image or the user set; `all`: what engines set for every program, such as PATH, as well. */
export type PassedEnvironment = 'own' | 'all';
export const passedEnvironments: readonly PassedEnvironment[] = ['own', 'all'];

/**
 * What a unikernel may ask for. A tap takes the network from others in the same namespace, and for passt the sandbox is opened a little:
 * both are for the administrator to say.
 */
export type WantedNetwork = 'auto' | 'user' | 'none';
export const wantedNetworks: readonly WantedNetwork[] = ['auto', 'user', 'none'];

export const guestRoots: readonly GuestRoot[] = ['none', 'initrd', 'disk', '9p'];

/** Values as both forms have them: strings from annotations, any JSON from a file. */
type RawDefinition = Readonly<Record<string, unknown>>;

/** The keys of `unikernel.json`; with `ucrun.` before them, those of the annotations. */
export const definitionKeys = [
  'guest',
  'kernel',
  'initrd',
  'disk',
  'root',
  'share',
  'cmdline',
  'version',
  'environment',
  'memory',
  'cpus',
  'ports',
  'machine',
  'network',
  'powerButton',
] as const;
export type DefinitionKey = (typeof definitionKeys)[number];

/**
 * Check a definition.
 * @param source what to name in errors, such as the file's path or `the annotations`
 * @param shownKey how a key is written at that source: `memory`, `ucrun.memory`
 * @throws RuntimeError UNIKERNEL_INVALID, GUEST_UNKNOWN, GUEST_UNSUPPORTED, MEMORY_INVALID, PORT_INVALID
 */
export function parseDefinition(
  raw: RawDefinition,
  source: string,
  shownKey: (key: string) => string = (key) => key,
): UnikernelDefinition {
  for (const key of Object.keys(raw)) {
    if ((definitionKeys as readonly string[]).includes(key)) continue;
    const near = nearest(key, definitionKeys);
    throw new RuntimeError('UNIKERNEL_INVALID', `unknown key "${shownKey(key)}" in ${source}`, {
      hint:
        near === undefined
          ? `known keys: ${definitionKeys.map(shownKey).join(', ')}`
          : `did you mean "${shownKey(near)}"?`,
    });
  }
  const field = new FieldReader(raw, source, shownKey);
  const definition: UnikernelDefinition = {
    guest: field.guest(),
    // An empty one is none, as in an annotation that takes it back.
    kernel: field.string('kernel') || undefined,
    initrd: field.string('initrd'),
    disks: field.disks(),
    root: field.oneOf('root', guestRoots),
    share: field.oneOf('share', shareDrivers),
    cmdline: field.string('cmdline') ?? '',
    version: field.string('version'),
    environment: field.oneOf('environment', passedEnvironments) ?? 'own',
    memoryMiB: field.memory(),
    cpus: field.cpus(),
    ports: field.ports(),
    model: field.oneOf('machine', machineModels),
    network: field.oneOf('network', wantedNetworks),
    powerButton: field.boolean('powerButton'),
  };
  checkCompleteness(definition, source, shownKey);
  return definition;
}

/** @throws RuntimeError UNIKERNEL_INVALID */
function checkCompleteness(
  { guest, kernel, initrd, disks, root, share }: UnikernelDefinition,
  source: string,
  shownKey: (key: string) => string,
): void {
  const missing = (key: string, why: string) =>
    new RuntimeError('UNIKERNEL_INVALID', `"${shownKey(key)}" is missing from ${source}`, { hint: why });
  const support = guests[guest];
  if (support.bootsFromDisk && disks.length === 0)
    throw missing('disk', 'this guest type reads all that it is told from a disk image');
  if (kernel === undefined && !support.bootsFromDisk)
    throw missing('kernel', 'a unikernel needs at least a guest type and a kernel');
  const { shares } = support.volumes;
  if (share !== undefined && !shares.includes(share)) {
    throw new RuntimeError(
      'UNIKERNEL_INVALID',
      `"${shownKey('share')}" in ${source} is "${share}", which a guest of type "${guest}" cannot have`,
      {
        hint:
          shares.length === 0
            ? 'it takes no directories'
            : `it can be ${shares.map((name) => `"${name}"`).join(', ')}`,
      },
    );
  }
  if (root === undefined || root === 'none') return;
  if (!support.roots.includes(root)) {
    const known = ['none', ...support.roots].map((name) => `"${name}"`).join(', ');
    throw new RuntimeError(
      'UNIKERNEL_INVALID',
      `"${shownKey('root')}" in ${source} is "${root}", which a guest of type "${guest}" cannot have`,
      { hint: `it can be ${known}` },
    );
  }
  if (root === 'initrd' && initrd === undefined) throw missing('initrd', `"${shownKey('root')}" is "initrd"`);
  if (root === 'disk' && disks.length === 0) throw missing('disk', `"${shownKey('root')}" is "disk"`);
}

/** Where a guest's root file system is: as it was defined, else on the first thing there is that can hold one. */
export function rootOf({ guest, root, initrd, disks }: UnikernelDefinition): GuestRoot {
  if (root !== undefined) return root;
  const { roots } = guests[guest];
  if (initrd !== undefined && roots.includes('initrd')) return 'initrd';
  return disks.length > 0 && disks[0]?.path === undefined && roots.includes('disk') ? 'disk' : 'none';
}

/** How directories are shared with a guest: as it was defined, else the guest type's usual way. undefined: it takes none. */
export function shareDriverOf({ guest, share }: UnikernelDefinition): ShareDriver | undefined {
  return share ?? guests[guest].volumes.shares[0];
}

class FieldReader {
  readonly #raw: RawDefinition;
  readonly #source: string;
  readonly #shownKey: (key: string) => string;

  constructor(raw: RawDefinition, source: string, shownKey: (key: string) => string) {
    this.#raw = raw;
    this.#source = source;
    this.#shownKey = shownKey;
  }

  string(key: DefinitionKey): string | undefined {
    const value = this.#raw[key];
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw this.#invalid(key, 'a string', value);
    if (/[\0\n\r]/.test(value)) throw this.#invalid(key, 'one line of text', value);
    return value;
  }

  requiredString(key: DefinitionKey): string {
    const value = this.string(key);
    if (value !== undefined && value !== '') return value;
    throw new RuntimeError('UNIKERNEL_INVALID', `"${this.#shownKey(key)}" is missing from ${this.#source}`, {
      hint: 'a unikernel needs at least a guest type and a kernel',
    });
  }

  boolean(key: DefinitionKey): boolean | undefined {
    const value = this.#raw[key];
    if (value === undefined || typeof value === 'boolean') return value;
    if (value === 'true' || value === 'false') return value === 'true';
    throw this.#invalid(key, 'true or false', value);
  }

  guest(): GuestKind {
    const value = this.requiredString('guest');
    const found = guestKinds.find((kind) => kind === value);
    if (found !== undefined) return found;
    const reason = foreignGuests.get(value);
    if (reason !== undefined) {
      const message = `guest type "${value}" in ${this.#source} is one that ucrun cannot run`;
      throw new RuntimeError('GUEST_UNSUPPORTED', message, { hint: reason });
    }
    throw new RuntimeError('GUEST_UNKNOWN', `unknown guest type "${value}" in ${this.#source}`, {
      hint: `known guest types: ${guestKinds.join(', ')}`,
    });
  }

  memory(): number | undefined {
    const value = this.string('memory');
    return value === undefined
      ? undefined
      : parseMiB(value, `${this.#shownKey('memory')} in ${this.#source}`);
  }

  cpus(): number | undefined {
    const value = this.#raw.cpus;
    if (value === undefined) return undefined;
    const cpus = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
    if (typeof cpus !== 'number' || !Number.isInteger(cpus) || cpus < 1 || cpus > 255) {
      throw this.#invalid('cpus', 'a whole number from 1 to 255', value);
    }
    return cpus;
  }

  ports(): readonly PortMapping[] {
    const value = this.#raw.ports;
    if (value === undefined) return [];
    const source = `${this.#shownKey('ports')} in ${this.#source}`;
    if (typeof value === 'string') return parsePorts(value, source);
    if (Array.isArray(value) && value.every((entry) => typeof entry === 'string'))
      return parsePorts(value.join(','), source);
    throw this.#invalid('ports', 'a list such as ["8080", "9090/udp"]', value);
  }

  oneOf<T extends string>(key: DefinitionKey, values: readonly T[]): T | undefined {
    const value = this.string(key);
    if (value === undefined) return undefined;
    const found = values.find((known) => known === value);
    if (found !== undefined) return found;
    throw this.#invalid(key, values.map((known) => `"${known}"`).join(' or '), value);
  }

  disks(): readonly DefinedDisk[] {
    const value = this.#raw.disk;
    if (value === undefined) return [];
    const entries = typeof value === 'string' ? value.split(',') : value;
    if (!Array.isArray(entries)) throw this.#invalid('disk', 'a file, or a list of files', value);
    return entries.map((entry: unknown) => {
      const [, file, path, mode] =
        (typeof entry === 'string' && /^([^\0\n\r:]+)(?::(\/[^\0\n\r:]*)(?::(ro|rw))?)?$/.exec(entry)) || [];
      if (file !== undefined) return { file, path, readOnly: mode === 'ro' };
      throw this.#invalid('disk', 'written as FILE, FILE:/mount/point or FILE:/mount/point:ro', entry);
    });
  }

  #invalid(key: string, wanted: string, value: unknown): RuntimeError {
    const message = `"${this.#shownKey(key)}" in ${this.#source} must be ${wanted}, not ${JSON.stringify(value)}`;
    return new RuntimeError('UNIKERNEL_INVALID', message);
  }
}
