import { parse as parseToml, TomlError } from 'smol-toml';
import { parseDurationMs } from '../base/duration.ts';
import { nearest } from '../base/nearest.ts';
import { RuntimeError, raise } from '../base/runtime-error.ts';
import { parseMiB } from '../base/size.ts';
import type { Config } from './config-defaults.ts';

const lastUid = 2 ** 32 - 2;

/**
 * Every key of the configuration file; one inside a section has the section's name before a dot.
 * The example file and the manual are compared with this table.
 *
 * How to add one: 1. a line here; 2. a field in Config and its default in config-defaults.ts; 3. the field's line in
 * parseConfig; 4. `TAP_SNAPSHOT=1 make test-unit FILE=config`, which writes it into etc/config.toml.
 */
export const configKeys = {
  crun: {
    read: optionalPath,
    allowed: 'an absolute path, or "" to search for it',
    default: '',
    help: 'The crun to use. Empty: searched for in the usual directories.',
  },
  state_dir: {
    read: optionalPath,
    allowed: 'an absolute path, or "" for the usual one',
    default: '',
    help:
      'Where the records of the unikernel containers are. Empty: /run/ucrun, or for a user $XDG_RUNTIME_DIR/ucrun. ' +
      'Change it only while no unikernel container exists.',
  },
  registries: {
    read: listOf(absolutePath),
    allowed: 'a list of absolute paths',
    default: ['/var/lib/ucrun/unikernels', '/usr/share/ucrun/unikernels'],
    help: 'The directories of named unikernels. The first that has a name wins.',
  },
  vm_directories: {
    read: listOf(absolutePath),
    allowed: 'a list of absolute paths',
    default: [],
    help:
      "The host's directories whose files the vm section of a container's specification may name. Empty: such a " +
      'section is an error.',
  },
  overlay_dir: {
    read: optionalPath,
    allowed: 'an absolute path, or "" for the usual one',
    default: '',
    help:
      'Where what guests write to the disks of their unikernels is kept while the container runs. Empty: ' +
      '/var/lib/ucrun/overlays, or for a user ~/.local/share/ucrun/overlays.',
  },
  service_name: {
    read: boolean,
    allowed: 'true or false',
    default: true,
    help:
      "Whether SERVICE_NAME in a container's environment names a unikernel. With false only what the image or the " +
      'specification says makes a container a unikernel: for hosts where ucrun is the default runtime and images ' +
      'use that variable themselves.',
  },
  log_file: {
    read: optionalPath,
    allowed: 'an absolute path, or "" for none',
    default: '',
    help: 'The debug log. Empty: none is written.',
  },
  log_level: {
    read: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    allowed: '"trace", "debug", "info", "warn", "error", "fatal" or "silent"',
    default: 'info',
    help: 'What goes into the debug log: entries of this level and above.',
  },
  'vmm.qemu': {
    read: optionalPath,
    allowed: 'an absolute path, or "" to search for it',
    default: '',
    help: 'The QEMU to use. Empty: the one for the guest is searched for in the usual directories.',
  },
  'vmm.virtiofsd': {
    read: optionalPath,
    allowed: 'an absolute path, or "" to search for it',
    default: '',
    help: 'The virtiofsd for unikernels with "share": "virtiofs". Empty: it is searched for in the usual directories.',
  },
  'vmm.passt': {
    read: optionalPath,
    allowed: 'an absolute path, or "" to search for it',
    default: '',
    help: 'The passt that joins guests to networks. Empty: it is searched for in the usual directories.',
  },
  'vmm.accelerator': {
    read: oneOf('auto', 'kvm', 'tcg'),
    allowed: '"auto", "kvm" or "tcg"',
    default: 'auto',
    help: 'kvm: the hardware, or an error. tcg: emulation. auto: kvm where a 64-bit guest has proved that it works.',
  },
  'vmm.extra_args': {
    read: listOf(line),
    allowed: 'a list of strings, one for each argument',
    default: [],
    help: 'Arguments that are added to every QEMU command line.',
  },
  'vmm.uid_base': {
    read: whole(1, lastUid),
    allowed: `a whole number from 1 to ${lastUid}`,
    default: 0x7000_0000,
    help: 'QEMU runs under a user id of its own in each container: the first of them. Nothing else may use them.',
  },
  'vmm.uid_count': {
    read: whole(1, lastUid),
    allowed: `a whole number from 1 to ${lastUid}`,
    default: 0x1_0000,
    help: 'How many such user ids there are, and so how many unikernel containers there can be.',
  },
  'vmm.memory_limit': {
    read: oneOf('within', 'on-top'),
    allowed: '"within" or "on-top"',
    default: 'within',
    help:
      "What a container's memory limit is of. within: of the guest and QEMU together, so the guest has what QEMU leaves. " +
      "on-top: of the guest, and what QEMU needs is added to the container's.",
  },
  'vmm.memory_overhead': {
    read: sizeOrAuto,
    allowed: '"auto" or a size, such as "64MiB"',
    default: 'auto',
    help: 'What QEMU itself needs. auto: what was measured for such a machine.',
  },
  'machine.memory': {
    read: size,
    allowed: 'a size, such as "128MiB" or "1GiB"',
    default: '128MiB',
    help: "The guest's memory where neither the unikernel nor the container's limit says one.",
  },
  'machine.cpus': {
    read: whole(1, 255),
    allowed: 'a whole number from 1 to 255',
    default: 1,
    help: "The guest's processors where neither the unikernel nor the container's limit says how many.",
  },
  'machine.model': {
    read: oneOf('auto', 'microvm', 'q35'),
    allowed: '"auto", "microvm" or "q35"',
    default: 'auto',
    help: "QEMU's machine where the unikernel does not say. auto: the fastest that the guest can boot on.",
  },
  'machine.manager': {
    read: oneOf('ucrun', 'systemd'),
    allowed: '"ucrun" or "systemd"',
    default: 'ucrun',
    help: 'Who keeps the machines of "ucrun machine" where neither --systemd nor --no-systemd is given.',
  },
  'network.mode': {
    read: oneOf('auto', 'tap', 'passt', 'user', 'none'),
    allowed: '"auto", "tap", "passt", "user" or "none"',
    default: 'auto',
    help:
      "tap: the guest has the container's addresses. passt: the same through passt, without a tap. user: it is behind QEMU's own network stack. auto: tap in a " +
      "network namespace of the container's own, else user; user for rootless containers.",
  },
  'stop.grace': {
    read: duration,
    allowed: 'a time, such as "500ms", "5s" or "1m"',
    default: '5s',
    help: 'How long a guest may take to end after its power button was pressed. Then the machine is switched off.',
  },
} as const;

type KeyName = keyof typeof configKeys;
type Output<K extends KeyName> = ReturnType<(typeof configKeys)[K]['read']>;

/** What to do about a problem in the file; where it returns, what the problem is with is left out. */
export type OnProblem = (problem: RuntimeError) => void;

/**
 * The configuration that a file's text means; keys that it does not have get their defaults.
 * @param source the file's path, for messages
 * @throws RuntimeError CONFIG_INVALID, unless there is an `onProblem` that returns
 */
export function parseConfig(text: string, source: string, onProblem: OnProblem = raise): Config {
  const written = readKeys(text, source, onProblem);
  const value = <K extends KeyName>(name: K) =>
    readValue(name, written.get(name) ?? configKeys[name].default, source, onProblem);

  return {
    crun: value('crun'),
    stateDir: value('state_dir'),
    registries: value('registries'),
    vmDirectories: value('vm_directories'),
    overlayDir: value('overlay_dir'),
    serviceName: value('service_name'),
    logFile: value('log_file'),
    logLevel: value('log_level'),
    vmm: {
      qemu: value('vmm.qemu'),
      virtiofsd: value('vmm.virtiofsd'),
      passt: value('vmm.passt'),
      accelerator: value('vmm.accelerator'),
      extraArgs: value('vmm.extra_args'),
      ...uidRange(value('vmm.uid_base'), value('vmm.uid_count'), source, onProblem),
      memoryLimit: value('vmm.memory_limit'),
      memoryOverheadMiB: value('vmm.memory_overhead'),
    },
    machine: {
      memoryMiB: value('machine.memory'),
      cpus: value('machine.cpus'),
      model: value('machine.model'),
      manager: value('machine.manager'),
    },
    network: { mode: value('network.mode') },
    stop: { graceMs: value('stop.grace') },
  };
}

function uidRange(
  uidBase: number,
  uidCount: number,
  source: string,
  onProblem: OnProblem,
): Pick<Config['vmm'], 'uidBase' | 'uidCount'> {
  const last = uidBase + uidCount - 1;
  if (last <= lastUid) return { uidBase, uidCount };
  onProblem(
    invalid(`"vmm.uid_base" and "vmm.uid_count" in ${source} end at ${last}`, {
      hint: `the last user id there can be is ${lastUid}`,
    }),
  );
  return { uidBase, uidCount: lastUid - uidBase + 1 };
}

/** The known keys that the text has, with their values as written. */
function readKeys(text: string, source: string, onProblem: OnProblem): ReadonlyMap<KeyName, unknown> {
  const keys = new Map<KeyName, unknown>();
  const add = (name: string, value: unknown) => {
    if (isKey(name)) keys.set(name, value);
    else onProblem(unknownKey(name, source));
  };
  for (const document of parseDocument(text, source, onProblem)) {
    for (const [name, value] of Object.entries(document)) {
      if (!isSection(name)) add(name, value);
      else if (isTable(value)) for (const [key, inner] of Object.entries(value)) add(`${name}.${key}`, inner);
      else
        onProblem(
          invalid(`"${name}" in ${source} is ${show(value)}, not a section`, {
            hint: `a section begins with [${name}]`,
          }),
        );
    }
  }
  return keys;
}

type TomlDocument = Readonly<Record<string, unknown>>;

/** The text as one document; if it is none, the documents that its lines are each on its own. */
function parseDocument(text: string, source: string, onProblem: OnProblem): readonly TomlDocument[] {
  const whole = tryToml(text);
  if (!(whole instanceof TomlError)) return [whole];
  // The library's message goes on with a picture of the lines, which has no place in a one-line error.
  const [problem = ''] = whole.message.replace(/^Invalid TOML document: /, '').split('\n');
  onProblem(invalid(`${source} is no valid TOML: line ${whole.line}, column ${whole.column}: ${problem}`));
  return readableLines(text);
}

/** Each line that is TOML, below the header of its section. */
function readableLines(text: string): readonly TomlDocument[] {
  const documents: TomlDocument[] = [];
  let header = '';
  for (const line of text.split('\n')) {
    if (line.trimStart().startsWith('[')) header = line;
    const document = tryToml(`${header}\n${line === header ? '' : line}`);
    if (!(document instanceof TomlError)) documents.push(document);
  }
  return documents;
}

function tryToml(text: string): TomlDocument | TomlError {
  try {
    return parseToml(text);
  } catch (error) {
    if (error instanceof TomlError) return error;
    throw error;
  }
}

function readValue<K extends KeyName>(
  name: K,
  written: unknown,
  source: string,
  onProblem: OnProblem,
): Output<K> {
  const { read, allowed, default: usual } = configKeys[name];
  try {
    return read(written) as Output<K>;
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    onProblem(invalid(`"${name}" in ${source} is ${show(written)}, not ${allowed}`, { hint: error.hint }));
    return read(usual) as Output<K>;
  }
}

function isKey(name: string): name is KeyName {
  return Object.hasOwn(configKeys, name);
}

function unknownKey(name: string, source: string): RuntimeError {
  const near = nearestKey(name);
  return invalid(`unknown key "${name}" in ${source}`, {
    hint:
      near === undefined ? `the keys are ${Object.keys(configKeys).join(', ')}` : `did you mean "${near}"?`,
  });
}

/** The key that was meant: misspelled, or right but in the wrong section. */
function nearestKey(name: string): string | undefined {
  const names = Object.keys(configKeys);
  const last = lastPart(name);
  return nearest(name, names) ?? names.find((known) => lastPart(known) === last);
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

function isSection(name: string): boolean {
  return Object.keys(configKeys).some((key) => key.startsWith(`${name}.`));
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** A value of the file in a message, on one line and not too long. */
function show(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function invalid(message: string, details?: ConstructorParameters<typeof RuntimeError>[2]): RuntimeError {
  return new RuntimeError('CONFIG_INVALID', message, details);
}

// The readers of the table above: each gives a value its type, or throws a RuntimeError, of which the hint is used.

function unfit(): RuntimeError {
  return invalid('not what is allowed');
}

function line(value: unknown): string {
  if (typeof value === 'string' && /^[^\0\n]*$/.test(value)) return value;
  throw unfit();
}

function absolutePath(value: unknown): string {
  const path = line(value);
  if (path.startsWith('/')) return path;
  throw unfit();
}

function optionalPath(value: unknown): string | undefined {
  return value === '' ? undefined : absolutePath(value);
}

function boolean(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw unfit();
}

function size(value: unknown): number {
  return parseMiB(text(value), 'the size');
}

function sizeOrAuto(value: unknown): number | undefined {
  return value === 'auto' ? undefined : size(value);
}

function duration(value: unknown): number {
  return parseDurationMs(text(value), 'the time');
}

function text(value: unknown): string {
  if (typeof value === 'string') return value;
  throw unfit();
}

function whole(least: number, most: number): (value: unknown) => number {
  return (value) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    throw unfit();
  };
}

function oneOf<const T extends string>(...words: readonly T[]): (value: unknown) => T {
  return (value) => {
    const found = words.find((word) => word === value);
    if (found !== undefined) return found;
    throw unfit();
  };
}

function listOf<T>(read: (value: unknown) => T): (value: unknown) => readonly T[] {
  return (value) => {
    if (Array.isArray(value)) return value.map(read);
    throw unfit();
  };
}
