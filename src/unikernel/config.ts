import { parse as parseToml, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { parseDurationMs } from '../base/duration.ts';
import { nearest } from '../base/nearest.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { parseMiB } from '../base/size.ts';
import type { Config } from './config-defaults.ts';

const lastUid = 2 ** 32 - 2;

const absolutePath = v.pipe(v.string(), v.regex(/^\/[^\0\n]*$/));
const optionalPath = v.pipe(
  v.union([v.literal(''), absolutePath]),
  v.transform((path) => (path === '' ? undefined : path)),
);
const line = v.pipe(v.string(), v.regex(/^[^\0\n]*$/));
const size = written((text) => parseMiB(text, 'the size'));
const duration = written((text) => parseDurationMs(text, 'the time'));

/**
 * Every key of the configuration file; one inside a section has the section's name before a dot.
 * The example file and the manual are compared with this table.
 *
 * How to add one: 1. a line here; 2. a field in Config and its default in config-defaults.ts; 3. the field's line in
 * parseConfig; 4. `TAP_SNAPSHOT=1 make test-unit FILE=config`, which writes it into etc/config.toml.
 */
export const configKeys = {
  crun: {
    schema: optionalPath,
    allowed: 'an absolute path, or "" to search for it',
    default: '',
    help: 'The crun to use. Empty: searched for in the usual directories.',
  },
  state_dir: {
    schema: optionalPath,
    allowed: 'an absolute path, or "" for the usual one',
    default: '',
    help:
      'Where the records of the unikernel containers are. Empty: /run/ucrun, or for a user $XDG_RUNTIME_DIR/ucrun. ' +
      'Change it only while no unikernel container exists.',
  },
  registries: {
    schema: v.array(absolutePath),
    allowed: 'a list of absolute paths',
    default: ['/var/lib/ucrun/unikernels'],
    help: 'The directories of named unikernels. The first that has a name wins.',
  },
  log_file: {
    schema: optionalPath,
    allowed: 'an absolute path, or "" for none',
    default: '',
    help: 'The debug log. Empty: none is written.',
  },
  log_level: {
    schema: v.picklist(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    allowed: '"trace", "debug", "info", "warn", "error", "fatal" or "silent"',
    default: 'info',
    help: 'What goes into the debug log: entries of this level and above.',
  },
  'vmm.qemu': {
    schema: optionalPath,
    allowed: 'an absolute path, or "" to search for it',
    default: '',
    help: 'The QEMU to use. Empty: the one for the guest is searched for in the usual directories.',
  },
  'vmm.accelerator': {
    schema: v.picklist(['auto', 'kvm', 'tcg']),
    allowed: '"auto", "kvm" or "tcg"',
    default: 'auto',
    help: 'kvm: the hardware, or an error. tcg: emulation. auto: kvm where a 64-bit guest has proved that it works.',
  },
  'vmm.extra_args': {
    schema: v.array(line),
    allowed: 'a list of strings, one for each argument',
    default: [],
    help: 'Arguments that are added to every QEMU command line.',
  },
  'vmm.uid_base': {
    schema: whole(1, lastUid),
    allowed: `a whole number from 1 to ${lastUid}`,
    default: 0x7000_0000,
    help: 'QEMU runs under a user id of its own in each container: the first of them. Nothing else may use them.',
  },
  'vmm.uid_count': {
    schema: whole(1, lastUid),
    allowed: `a whole number from 1 to ${lastUid}`,
    default: 0x1_0000,
    help: 'How many such user ids there are, and so how many unikernel containers there can be.',
  },
  'vmm.memory_overhead': {
    schema: size,
    allowed: 'a size, such as "64MiB"',
    default: '64MiB',
    help: "What QEMU itself needs. It is added to the container's memory limit, which is the guest's.",
  },
  'machine.memory': {
    schema: size,
    allowed: 'a size, such as "128MiB" or "1GiB"',
    default: '128MiB',
    help: "The guest's memory where neither the unikernel nor the container's limit says one.",
  },
  'machine.cpus': {
    schema: whole(1, 255),
    allowed: 'a whole number from 1 to 255',
    default: 1,
    help: "The guest's processors where neither the unikernel nor the container's limit says how many.",
  },
  'machine.model': {
    schema: v.picklist(['auto', 'microvm', 'q35']),
    allowed: '"auto", "microvm" or "q35"',
    default: 'auto',
    help: "QEMU's machine where the unikernel does not say. auto: the fastest that the guest can boot on.",
  },
  'network.mode': {
    schema: v.picklist(['auto', 'tap', 'user', 'none']),
    allowed: '"auto", "tap", "user" or "none"',
    default: 'auto',
    help:
      "tap: the guest has the container's addresses. user: it is behind QEMU's own network stack. auto: tap in a " +
      "network namespace of the container's own, else user; user for rootless containers.",
  },
  'stop.grace': {
    schema: duration,
    allowed: 'a time, such as "500ms", "5s" or "1m"',
    default: '5s',
    help: 'How long a guest may take to end after its power button was pressed. Then the machine is switched off.',
  },
} as const;

type KeyName = keyof typeof configKeys;
type Output<K extends KeyName> = v.InferOutput<(typeof configKeys)[K]['schema']>;

/**
 * The configuration that a file's text means; keys that it does not have get their defaults.
 * @param source the file's path, for messages
 * @throws RuntimeError CONFIG_INVALID
 */
export function parseConfig(text: string, source: string): Config {
  const written = readKeys(text, source);
  const value = <K extends KeyName>(name: K) =>
    check(name, written.get(name) ?? configKeys[name].default, source);

  const uidBase = value('vmm.uid_base');
  const uidCount = value('vmm.uid_count');
  if (uidBase + uidCount - 1 > lastUid) {
    throw invalid(`"vmm.uid_base" and "vmm.uid_count" in ${source} end at ${uidBase + uidCount - 1}`, {
      hint: `the last user id there can be is ${lastUid}`,
    });
  }
  return {
    crun: value('crun'),
    stateDir: value('state_dir'),
    registries: value('registries'),
    logFile: value('log_file'),
    logLevel: value('log_level'),
    vmm: {
      qemu: value('vmm.qemu'),
      accelerator: value('vmm.accelerator'),
      extraArgs: value('vmm.extra_args'),
      uidBase,
      uidCount,
      memoryOverheadMiB: value('vmm.memory_overhead'),
    },
    machine: {
      memoryMiB: value('machine.memory'),
      cpus: value('machine.cpus'),
      model: value('machine.model'),
    },
    network: { mode: value('network.mode') },
    stop: { graceMs: value('stop.grace') },
  };
}

/** The known keys that the text has, with their values as written. */
function readKeys(text: string, source: string): ReadonlyMap<KeyName, unknown> {
  const keys = new Map<KeyName, unknown>();
  for (const [name, value] of Object.entries(parseDocument(text, source))) {
    if (!isSection(name)) {
      keys.set(knownKey(name, source), value);
      continue;
    }
    if (!isTable(value)) {
      throw invalid(`"${name}" in ${source} is ${show(value)}, not a section`, {
        hint: `a section begins with [${name}]`,
      });
    }
    for (const [key, inner] of Object.entries(value)) keys.set(knownKey(`${name}.${key}`, source), inner);
  }
  return keys;
}

function parseDocument(text: string, source: string): Readonly<Record<string, unknown>> {
  try {
    return parseToml(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The library's message goes on with a picture of the lines, which has no place in a one-line error.
    const [problem = ''] = error.message.replace(/^Invalid TOML document: /, '').split('\n');
    throw invalid(`${source} is no valid TOML: line ${error.line}, column ${error.column}: ${problem}`);
  }
}

function check<K extends KeyName>(name: K, value: unknown, source: string): Output<K> {
  const { schema, allowed } = configKeys[name];
  const result = v.safeParse(schema, value);
  if (result.success) return result.output as Output<K>;
  const [{ message }] = result.issues;
  const hint = result.issues[0].type === 'raw_transform' ? message : undefined;
  throw invalid(`"${name}" in ${source} is ${show(value)}, not ${allowed}`, { hint });
}

function knownKey(name: string, source: string): KeyName {
  if (Object.hasOwn(configKeys, name)) return name as KeyName;
  const near = nearestKey(name);
  throw invalid(`unknown key "${name}" in ${source}`, {
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

function whole(least: number, most: number) {
  return v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
}

/** A value with a unit: `parse` reads it, and its hint becomes the issue's message. */
function written(parse: (text: string) => number) {
  return v.pipe(
    v.string(),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      try {
        return parse(dataset.value);
      } catch (error) {
        if (!(error instanceof RuntimeError)) throw error;
        addIssue({ message: error.hint ?? error.message });
        return NEVER;
      }
    }),
  );
}
