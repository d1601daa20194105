import type { Argv, Options } from 'yargs';
import { RuntimeError } from '../../base/runtime-error.ts';
import { markAttached } from '../../machine/run-state.ts';
import type { Machine } from '../../machine/service.ts';
import { print } from '../print.ts';
import { type MachineContext, machineContext, type ScopeOptions } from './context.ts';
import { createMachine } from './create.ts';
import { doctor } from './doctor.ts';
import { chosenMachines, withEach } from './each.ts';
import { inspectMachines } from './inspect.ts';
import { listMachines } from './list.ts';
import { showLogs } from './logs.ts';
import { attach } from './run.ts';
import { seconds } from './settings.ts';
import { changesFrom } from './update.ts';
import { watchStates } from './watch.ts';

/** The commands below `machine`, by the names that a misspelled one may have meant. */
export const machineCommands = [
  'run',
  'create',
  'start',
  'stop',
  'restart',
  'pause',
  'resume',
  'update',
  'rm',
  'remove',
  'ps',
  'list',
  'ls',
  'inspect',
  'logs',
  'watch',
  'enable',
  'disable',
  'doctor',
];

const someMachines = 'the name of a machine';

/** What a command needs on its line, for those that were called without it. */
export const machineOperands: Readonly<Record<string, string>> = {
  run: 'a unikernel: a name of the registry, a kernel file or an OCI image',
  create: 'a unikernel: a name of the registry, a kernel file or an OCI image',
  inspect: someMachines,
  logs: someMachines,
  update: someMachines,
};

/** How a command is carried out: its exit status is handed on. */
export type RunMachine = (
  scope: ScopeOptions,
  command: (context: MachineContext) => Promise<number> | number,
) => Promise<void>;

/** A {@link RunMachine} that hands on the exit status. */
export function machineRunner(env: NodeJS.ProcessEnv, onStatus: (status: number) => void): RunMachine {
  return async (scope, command) => onStatus(await command(await machineContext(env, scope)));
}

const single = (describe: string) =>
  ({
    type: 'string',
    requiresArg: true,
    describe,
    coerce: (value: string | readonly string[]) => (typeof value === 'string' ? value : value.at(-1)),
  }) as const satisfies Options;

const repeated = (describe: string) =>
  ({
    type: 'string',
    requiresArg: true,
    describe,
    coerce: (value: string | readonly string[]) => (typeof value === 'string' ? [value] : value),
  }) as const satisfies Options;

const flag = (describe: string, alias?: string) =>
  ({
    type: 'boolean',
    default: false,
    describe,
    ...(alias === undefined ? {} : { alias }),
  }) as const satisfies Options;

/** Of `run` and `create`. */
export const createOptions = {
  name: { ...single('its name; without it one is made up'), alias: 'n' },
  systemd: { type: 'boolean', describe: 'let systemd keep it, as a service' },
  memory: { ...single("the guest's memory, such as 64MiB"), alias: 'M' },
  cpus: single('processors; a part of one, such as 0.5, limits its time'),
  port: { ...repeated('a port: [IP:]HOST:GUEST[/udp]; may be repeated'), alias: 'p' },
  env: { ...repeated('a variable for the guest: NAME=VALUE; may be repeated'), alias: 'e' },
  volume: { ...repeated('a directory or disk image: SOURCE:/place[:ro]; may be repeated'), alias: 'v' },
  network: repeated(
    'its network: user, none or bridge:NAME[,ip=ADDRESS/LENGTH][,gateway=ADDRESS][,dns=ADDRESS][,mac=MAC]; a bridge may be repeated',
  ),
  guest: single('the kind of guest, where a kernel file does not say'),
  cmdline: single("a raw guest's command line"),
  initrd: single('the initial RAM disk for a kernel file'),
  rootfs: single('the root file system for a kernel file: a cpio archive or a disk image'),
  'kernel-arg': repeated("a word added to the kernel's command line; may be repeated"),
  'disable-acceleration': flag('emulate the processor, though there is KVM', 'W'),
  hostname: single("the guest's host name; else the machine's name"),
  rm: flag('remove it when it has ended'),
  restart: single('when to start it again: no, on-failure[:N] or always'),
  'restart-sec': single('how long to wait before that, such as 5s'),
  'stop-timeout': single('how long its guest may take to end, such as 30s'),
  label: { ...repeated('a label: KEY=VALUE; may be repeated'), alias: 'l' },
  after: repeated('a machine to start after; may be repeated'),
  requires: repeated('a machine that this one needs; may be repeated'),
  'ready-port': single("count it as started when the guest's TCP port answers"),
  activate: flag('start it when the first connection comes to its port'),
  'idle-timeout': single('stop it again when there was no connection for so long'),
} as const;

const allOption = flag('all machines', 'a');
const nameOperands = { type: 'string', array: true, describe: 'names of machines' } as const;

/** Make yargs know `machine` and what is below it. @param guestArgs what is behind `--` */
export function addMachineCommands(machine: Argv, run: RunMachine, guestArgs: readonly string[]): Argv {
  const each =
    (
      isMeant: (machine: Machine) => boolean,
      work: (context: MachineContext, name: string) => Promise<unknown>,
    ) =>
    async (argv: ScopeOptions & { readonly names?: readonly string[] | undefined; readonly all: boolean }) =>
      await run(argv, (context) =>
        withEach(context, argv.names ?? [], { isAsked: argv.all, isMeant }, async (name) => {
          await work(context, name);
        }),
      );
  const several = (command: Argv) =>
    command.positional('names', nameOperands).option('all', allOption) as Argv<{
      names: string[] | undefined;
      all: boolean;
      system: boolean | undefined;
      user: boolean | undefined;
    }>;
  const isUp = ({ status }: Machine) => status !== 'created' && status !== 'exited' && status !== 'broken';
  return machine
    .usage(
      'ucrun machine COMMAND\n\nUnikernels as machines of their own, without an engine; with --systemd as services.',
    )
    .option('system', { type: 'boolean', describe: "the host's machines; root's choice" })
    .option('user', { type: 'boolean', describe: "the user's own machines; everybody else's choice" })
    .command(
      'run <source>',
      'make a machine, start it and show its console',
      (command) =>
        command
          .positional('source', { type: 'string', demandOption: true, describe: machineOperands.run ?? '' })
          .options({ ...createOptions, detach: flag('do not stay: print its name', 'd') })
          .usage('ucrun machine run [OPTIONS] SOURCE [-- ARGUMENT...]'),
      async ({ source, detach, ...options }) =>
        await run(scopeOf(options), async (context) => {
          const created = await createMachine(context, source, guestArgs, options);
          return await startFirst(context, created, detach);
        }),
    )
    .command(
      'create <source>',
      'make a machine',
      (command) =>
        command
          .positional('source', {
            type: 'string',
            demandOption: true,
            describe: machineOperands.create ?? '',
          })
          .options(createOptions)
          .usage('ucrun machine create [OPTIONS] SOURCE [-- ARGUMENT...]'),
      async ({ source, ...options }) =>
        await run(scopeOf(options), async (context) => {
          const { name } = await createMachine(context, source, guestArgs, options);
          print(`${name}\n`);
          return 0;
        }),
    )
    .command(
      'start [names..]',
      'start machines',
      several,
      each(
        (found) => !isUp(found),
        ({ machines }, name) => machines.start(name),
      ),
    )
    .command(
      'stop [names..]',
      "press machines' power buttons, and wait for their end",
      (command) =>
        several(command).option('time', { ...single('how long a guest may take, such as 30s'), alias: 't' }),
      async (argv) =>
        await run(scopeOf(argv), (context) =>
          withEach(context, argv.names ?? [], { isAsked: argv.all, isMeant: isUp }, async (name) => {
            await context.machines.stop(name, timeOf(argv.time));
          }),
        ),
    )
    .command(
      'restart [names..]',
      'stop machines, and start them again',
      (command) =>
        several(command).option('time', { ...single('how long a guest may take, such as 30s'), alias: 't' }),
      async (argv) =>
        await run(scopeOf(argv), (context) =>
          withEach(context, argv.names ?? [], { isAsked: argv.all, isMeant: isUp }, async (name) => {
            await context.machines.stop(name, timeOf(argv.time));
            await context.machines.start(name);
          }),
        ),
    )
    .command(
      'pause [names..]',
      'hold machines',
      several,
      each(
        ({ status }) => status === 'running',
        ({ machines }, name) => machines.pause(name),
      ),
    )
    .command(
      'resume [names..]',
      'let held machines go on',
      several,
      each(
        ({ status }) => status === 'paused',
        ({ machines }, name) => machines.resume(name),
      ),
    )
    .command(
      'update [names..]',
      'change machines, and say what holds at once and what from their next start on',
      (command) =>
        several(command).options({
          memory: createOptions.memory,
          cpus: createOptions.cpus,
          port: createOptions.port,
          env: {
            ...repeated('a variable: NAME=VALUE, or NAME to take it away; may be repeated'),
            alias: 'e',
          },
          restart: createOptions.restart,
          'restart-sec': createOptions['restart-sec'],
          label: createOptions.label,
          force: flag('overwrite a unit that was changed by hand', 'f'),
        }),
      async (argv) =>
        await run(scopeOf(argv), (context) =>
          withEach(context, argv.names ?? [], { isAsked: argv.all, isMeant: () => true }, async (name) => {
            const changes = changesFrom(argv, context.machines.store.read(name).settings);
            const { now, atNextStart } = await context.machines.update(name, changes, { force: argv.force });
            return [
              ...now.map((text) => `now: ${text}`),
              ...atNextStart.map((text) => `at the next start: ${text}`),
            ];
          }),
        ),
    )
    .command(
      ['rm [names..]', 'remove'],
      'remove machines',
      (command) => several(command).option('force', flag('also those that run', 'f')),
      async (argv) =>
        await run(scopeOf(argv), (context) =>
          withEach(context, argv.names ?? [], { isAsked: argv.all, isMeant: () => true }, async (name) => {
            await context.machines.delete(name, { force: argv.force });
          }),
        ),
    )
    .command(
      ['ps', 'list', 'ls'],
      'list machines, and the unikernels that engines run',
      (command) =>
        command.options({
          all: flag('also those that do not run', 'a'),
          quiet: flag('only their names', 'q'),
          latest: flag('only the one that was made last', 'l'),
          format: { ...single('table, json, yaml, or a template such as {{.Name}}'), default: 'table' },
          filter: {
            ...repeated('KEY=VALUE: name, status, guest, manager or label; may be repeated'),
            alias: 'f',
          },
          engines: {
            type: 'boolean',
            default: true,
            describe: 'list the containers of engines, too',
          } as const,
        }),
      async ({ format, filter, ...argv }) =>
        await run(scopeOf(argv), async (context) => {
          const options = { ...argv, format: format ?? 'table', filter: filter ?? [] };
          print(await listMachines(context, options, Date.now()));
          return 0;
        }),
    )
    .command(
      'inspect [names..]',
      'show all that is known of machines, in JSON',
      (command) =>
        several(command).option('format', {
          ...single('json, yaml, or a template such as {{.Name}}'),
          default: 'json',
        }),
      async ({ names, all, format, ...argv }) =>
        await run(scopeOf(argv), async (context) => {
          const chosen = await chosenMachines(context, names ?? [], { isAsked: all, isMeant: () => true });
          return await inspectMachines(context, chosen, format ?? 'json');
        }),
    )
    .command(
      'logs <name>',
      'show what a machine has written to its console',
      (command) =>
        command.positional('name', { type: 'string', demandOption: true, describe: someMachines }).options({
          follow: flag('go on with what comes', 'f'),
          since: single('from then on: a time, or how long ago, such as 10m'),
          until: single('up to then'),
          tail: { ...single('only so many of the last lines'), alias: 'n' },
          timestamps: flag('show when each line came', 't'),
        }),
      async ({ name, ...argv }) => await run(scopeOf(argv), (context) => showLogs(context, name, argv)),
    )
    .command(
      'watch [names..]',
      'show what happens to machines, as it happens',
      (command) =>
        command.positional('names', nameOperands).option('json', {
          type: 'boolean',
          describe: 'a line of JSON for each change; else a table, on a terminal',
        }),
      async ({ names, json, ...argv }) =>
        await run(scopeOf(argv), (context) => watchStates(context, names ?? [], json)),
    )
    .command(
      'enable [names..]',
      'start machines when the host boots',
      several,
      each(
        () => true,
        ({ machines }, name) => machines.setEnabled(name, true),
      ),
    )
    .command(
      'disable [names..]',
      'do not start them then any more',
      several,
      each(
        () => true,
        ({ machines }, name) => machines.setEnabled(name, false),
      ),
    )
    .command(
      'doctor',
      'find units without machines, machines without units, and units that were changed by hand',
      (command) => command.option('fix', flag('repair what can be repaired')),
      async ({ fix, ...argv }) => await run(scopeOf(argv), (context) => doctor(context, fix)),
    )
    .demandCommand(1, 'machine needs a command, such as ps')
    .strict();
}

function scopeOf(argv: object): ScopeOptions {
  const { system, user } = argv as ScopeOptions;
  return { system, user };
}

function timeOf(text: string | undefined): { readonly timeoutMs?: number } {
  return text === undefined ? {} : { timeoutMs: seconds(text, '--time') };
}

/** @returns the exit status: the guest's, of one whose console was shown */
async function startFirst(context: MachineContext, created: Machine, isDetached: boolean): Promise<number> {
  const { machines } = context;
  const { name } = created;
  const isRemoved = created.settings?.autoRemove === true;
  if (!isDetached) {
    if (created.settings?.activation !== undefined) {
      await machines.delete(name, { force: true });
      throw new RuntimeError('USAGE', 'a machine that a connection starts has no console to show yet', {
        hint: 'add --detach',
      });
    }
    markAttached(machines.store.files(name));
  }
  let started: Machine;
  try {
    started = await machines.start(name);
  } catch (error) {
    // Whoever asked for a machine that runs is not left with one that does not.
    if (isRemoved) await machines.delete(name, { force: true });
    throw error;
  }
  if (isDetached) {
    print(`${name}\n`);
    return 0;
  }
  const status = await attach(context, started);
  if (isRemoved) await machines.delete(name, { force: true });
  return status;
}
