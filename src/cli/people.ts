import { writeSync } from 'node:fs';
import yargs, { type Argv } from 'yargs';
import { RuntimeError } from '../base/runtime-error.ts';
import type { CommandLine } from '../forward/command-line.ts';
import type { Config } from '../unikernel/config-defaults.ts';
import { asksForHelp, asksForVersion } from './asks.ts';
import { readConfigFor } from './config-for.ts';
import { imageInspect, imageList } from './image.ts';
import { ucrunVersion, versionText } from './versions.ts';

/** The verbs of the OCI command line, for the help; how they are read is in forward/command-line.ts. */
export const ociVerbs: Readonly<Record<string, string>> = {
  'create ID': 'create a container from a bundle (--bundle DIR)',
  'start ID': 'start a created container',
  'state ID': 'print the state of a container',
  'kill ID [SIGNAL]': "send a signal; TERM presses a unikernel's power button",
  'delete ID': 'remove a stopped container (--force: any)',
  'run ID': 'create, start, wait for and delete a container',
  'exec ID COMMAND': 'run a command in a plain container',
  'pause ID': 'stop all processes of a container',
  'resume ID': 'let them go on',
  'ps ID, list, events ID, update ID, spec, features': 'as crun has them',
};

/**
 * `--help`, `--version`, and the commands that people type.
 * @returns the exit status
 * @throws RuntimeError USAGE for a command line that cannot be meant
 */
export async function runForPeople(line: CommandLine, env: NodeJS.ProcessEnv): Promise<number> {
  const asked = line.globalArgs;
  const asksForEither = asked.some((arg) => asksForHelp(arg) || asksForVersion(arg));
  if (line.verb === undefined && asked.length > 0 && !asksForEither) {
    throw new RuntimeError('USAGE', `no command in "${asked.join(' ')}"`, {
      hint: 'ucrun --help lists the commands',
    });
  }
  const config = await readConfigFor(env);
  if (asked.some(asksForVersion)) print(versionText(config, env));
  else await commands(config).parseAsync(argumentsFor(line));
  return 0;
}

function commands(config: Config): Argv {
  return yargs()
    .scriptName('ucrun')
    .usage(usage())
    .command('image', 'the unikernels that SERVICE_NAME can name', (image) =>
      image
        .command(
          ['ls', 'list'],
          'list them',
          (list) => list.option('json', { type: 'boolean', default: false, describe: 'print JSON' }),
          ({ json }) => print(imageList(config.registries, json)),
        )
        .command(
          'inspect <name>',
          'show one, and whether it can start',
          (inspect) =>
            inspect.positional('name', { type: 'string', demandOption: true, describe: 'its name' }),
          ({ name }) => print(imageInspect(config.registries, name)),
        )
        .demandCommand(1, 'image needs a command: ls or inspect')
        .strict(),
    )
    .completion('completion', 'print a completion script for the shell')
    .version(ucrunVersion())
    .option('root', { type: 'string', describe: 'where crun keeps its state' })
    .option('log', { type: 'string', describe: 'file to write errors to' })
    .option('log-format', { choices: ['text', 'json'] as const, describe: 'the form of the error log' })
    .option('debug', { type: 'boolean', describe: 'say on stderr what is done' })
    .help()
    .alias('help', ['h', '?'])
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .strict()
    .fail((message, error) => {
      if (error instanceof RuntimeError) throw error;
      throw (
        error ?? new RuntimeError('USAGE', usageProblem(message), { hint: 'ucrun --help lists the commands' })
      );
    });
}

/** What yargs has to say, in our words and with the user's as they were typed. */
function usageProblem(message: string): string {
  // Only `image inspect` has an argument that must be there.
  if (message.startsWith('Not enough non-option arguments'))
    return 'image inspect needs the name of a unikernel';
  return message.charAt(0).toLowerCase() + message.slice(1);
}

function usage(): string {
  const width = Math.max(...Object.keys(ociVerbs).map((verb) => verb.length));
  const verbs = Object.entries(ociVerbs).map(([verb, help]) => `  ${verb.padEnd(width)}  ${help}`);
  return [
    'ucrun [OPTIONS] COMMAND',
    '',
    "An OCI runtime that makes unikernels ordinary containers; all others are crun's.",
    '',
    'OCI commands:',
    ...verbs,
  ].join('\n');
}

/** `help` is what `--help` is, with or without a command behind it. */
function argumentsFor({ args, verb, verbArgs }: CommandLine): readonly string[] {
  if (verb === undefined && args.length === 0) return ['--help'];
  return verb === 'help' ? [...verbArgs, '--help'] : args;
}

function print(text: string): void {
  writeSync(1, text);
}
