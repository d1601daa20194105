/**
 * The command line of an OCI runtime, as engines write it, read without rejecting a flag that we do not know:
 * whatever it means, it is crun's to accept or refuse.
 *
 * How to add a flag: 1. find out whether it takes a value (crun: src/crun.c, src/run_create.c, src/exec.c);
 * 2. if it does, add its long and short name to the table of its verb below; 3. add a case to
 * test/forward/command-line.test.ts. A flag without a value needs no entry.
 * @see opencontainers/runtime-tools docs/command-line-interface.md, containers/crun crun.1.md
 */

/** What the options before the verb say, for the ones that we act on. */
export interface GlobalOptions {
  /** Where crun keeps its state; decides, with the id, which container is meant. */
  readonly root: string | undefined;
  /** The error log that the engine reads. */
  readonly log: string | undefined;
  readonly logFormat: 'text' | 'json';
  readonly debug: boolean;
  /** Whether containers get cgroups of systemd's, which are scopes. */
  readonly usesSystemd: boolean;
}

export interface CommandLine {
  /** All arguments after the program's name, as they came. */
  readonly args: readonly string[];
  readonly globals: GlobalOptions;
  /** The arguments before the verb, as they came. */
  readonly globalArgs: readonly string[];
  /** The first word that is neither a flag nor a flag's value; undefined if there is none. */
  readonly verb: string | undefined;
  /** The arguments after the verb, as they came. */
  readonly verbArgs: readonly string[];
}

/** One option as it was written, with the positions in the argument list that it takes up. */
export interface WrittenOption {
  /** Without dashes: `bundle`, `b`. */
  readonly name: string;
  readonly value: string | undefined;
  readonly from: number;
  readonly to: number;
}

export interface VerbOptions {
  readonly options: readonly WrittenOption[];
  readonly positionals: readonly string[];
}

const globalValueOptions: ReadonlySet<string> = new Set([
  'root',
  'log',
  'log-format',
  'log-level',
  'cgroup-manager',
  'rootless',
  'criu',
]);

const createValueOptions = [
  'bundle',
  'b',
  'config',
  'f',
  'console-socket',
  'pid-file',
  'preserve-fds',
] as const;
const verbValueOptions: Readonly<Record<string, ReadonlySet<string>>> = {
  create: new Set(createValueOptions),
  run: new Set(createValueOptions),
  restore: new Set([...createValueOptions, 'image-path', 'work-path']),
  checkpoint: new Set([
    'image-path',
    'work-path',
    'parent-path',
    'manage-cgroups-mode',
    'network-lock',
    'page-server',
    'status-fd',
    'empty-ns',
  ]),
  exec: new Set([
    'console-socket',
    'pid-file',
    'preserve-fds',
    'process',
    'p',
    'cwd',
    'env',
    'e',
    'user',
    'u',
    'cap',
    'c',
    'additional-gids',
    'g',
    'apparmor',
    'process-label',
    'cgroup',
  ]),
  ps: new Set(['format', 'f']),
  events: new Set(['interval']),
  list: new Set(['format', 'f']),
  update: new Set([
    'resources',
    'r',
    'blkio-weight',
    'cpu-period',
    'cpu-quota',
    'cpu-rt-period',
    'cpu-rt-runtime',
    'cpu-share',
    'cpuset-cpus',
    'cpuset-mems',
    'kernel-memory',
    'kernel-memory-tcp',
    'memory',
    'memory-reservation',
    'memory-swap',
    'pids-limit',
    'l3-cache-schema',
    'mem-bw-schema',
  ]),
};
const noValueOptions: ReadonlySet<string> = new Set();

/** Every verb of crun's or runc's, which an engine may use. */
export const engineVerbs: ReadonlySet<string> = new Set([
  'create',
  'start',
  'state',
  'kill',
  'delete',
  'run',
  'exec',
  'pause',
  'resume',
  'ps',
  'events',
  'list',
  'update',
  'checkpoint',
  'restore',
  'spec',
  'features',
  'mounts',
]);

/** What people type, and no engine. */
export const peoplesVerbs: ReadonlySet<string> = new Set([
  'help',
  'image',
  'machine',
  'setup',
  'doctor',
  'completion',
]);

/** Every verb there is; an unknown global option's value is told from the verb by this list. */
const verbs: ReadonlySet<string> = new Set([...engineVerbs, ...peoplesVerbs, 'prepare', 'probe']);

/** Whether it is a verb that ucrun or some crun knows. */
export function isVerb(word: string): boolean {
  return verbs.has(word);
}

/**
 * Split an argument list into global options, verb and the verb's own arguments.
 * Never fails: unknown flags are kept in place.
 */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const at = verbIndex(args);
  const globalArgs = args.slice(0, at);
  const { options } = readOptions(globalArgs, globalValueOptions);
  return {
    args,
    globals: {
      root: lastValue(options, 'root'),
      log: lastValue(options, 'log'),
      logFormat: lastValue(options, 'log-format') === 'json' ? 'json' : 'text',
      usesSystemd:
        lastValue(options, 'cgroup-manager') === 'systemd' ||
        options.some((option) => option.name === 'systemd-cgroup' && option.value !== 'false'),
      debug: options.some((option) => option.name === 'debug' && option.value !== 'false'),
    },
    globalArgs,
    verb: args[at],
    verbArgs: args.slice(at + 1),
  };
}

/** The options and positional arguments of a verb, by the table of that verb. */
export function parseVerbArgs(verb: string, verbArgs: readonly string[]): VerbOptions {
  // exec's own options end at the container's id; what follows is the command's.
  const read = readOptions(verbArgs, verbValueOptions[verb] ?? noValueOptions, verb === 'exec');
  return { options: read.options, positionals: read.positionals };
}

/** The value of the last option with one of these names, as getopt-like parsers have it. */
export function lastValue(
  options: readonly WrittenOption[],
  ...names: readonly string[]
): string | undefined {
  return options.findLast((option) => names.includes(option.name))?.value;
}

/** Whether a flag is there under one of these names. */
export function hasFlag(options: readonly WrittenOption[], ...names: readonly string[]): boolean {
  return options.some((option) => names.includes(option.name));
}

/** The arguments without the options of these names, and without their values. */
export function withoutOptions(
  verb: string,
  verbArgs: readonly string[],
  names: readonly string[],
): readonly string[] {
  const dropped = parseVerbArgs(verb, verbArgs).options.filter((option) => names.includes(option.name));
  return verbArgs.filter((_, index) => !dropped.some(({ from, to }) => index >= from && index <= to));
}

function verbIndex(args: readonly string[]): number {
  const { positionalIndexes } = readOptions(args, globalValueOptions);
  const known = positionalIndexes.find((index) => verbs.has(args[index] ?? ''));
  return known ?? positionalIndexes[0] ?? args.length;
}

interface ReadOptions extends VerbOptions {
  readonly positionalIndexes: readonly number[];
}

function readOptions(
  args: readonly string[],
  takesValue: ReadonlySet<string>,
  stopAtPositional = false,
): ReadOptions {
  const options: WrittenOption[] = [];
  const positionalIndexes: number[] = [];
  let index = 0;
  for (; index < args.length; index++) {
    const arg = args[index] as string;
    if (arg === '--') {
      index++;
      break;
    }
    if (arg.length < 2 || !arg.startsWith('-')) {
      positionalIndexes.push(index);
      if (stopAtPositional) {
        index++;
        break;
      }
      continue;
    }
    const option = readOption(args, index, takesValue);
    options.push(option);
    index = option.to;
  }
  for (; index < args.length; index++) positionalIndexes.push(index);
  return { options, positionalIndexes, positionals: positionalIndexes.map((at) => args[at] as string) };
}

function readOption(args: readonly string[], index: number, takesValue: ReadonlySet<string>): WrittenOption {
  const arg = args[index] as string;
  const isLong = arg.startsWith('--');
  const equals = arg.indexOf('=');
  if (isLong && equals > 0) {
    return { name: arg.slice(2, equals), value: arg.slice(equals + 1), from: index, to: index };
  }
  // Go's flag package also accepts a long name behind one dash, and go-runc uses that once.
  const name = arg.slice(isLong ? 2 : 1);
  if (takesValue.has(name)) {
    const hasNext = index + 1 < args.length;
    return { name, value: args[index + 1], from: index, to: hasNext ? index + 1 : index };
  }
  const short = name[0] as string;
  if (!isLong && name.length > 1 && takesValue.has(short)) {
    return { name: short, value: name.slice(1).replace(/^=/, ''), from: index, to: index };
  }
  return { name, value: undefined, from: index, to: index };
}
