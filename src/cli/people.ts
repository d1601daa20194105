import yargs, { type Argv } from 'yargs';
import { nearest } from '../base/nearest.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { type CommandLine, peoplesVerbs } from '../forward/command-line.ts';
import { asksForCompletions, asksForHelp, asksForVersion } from './asks.ts';
import { identify, readConfigFor } from './config-for.ts';
import { addImageCommands, imageCommands, imageOperands, type Run, runner } from './image/commands.ts';
import {
  addMachineCommands,
  machineCommands,
  machineOperands,
  machineRunner,
  type RunMachine,
} from './machine/commands.ts';
import { print } from './print.ts';
import { unknownCommand } from './unknown-command.ts';
import { ucrunVersion, versionText } from './versions.ts';

/** The verbs of the OCI command line, for the help; how they are read is in forward/command-line.ts. */
export const ociVerbs: Readonly<Record<string, string>> = {
  'create <id>': 'create a container from a bundle (--bundle DIRECTORY)',
  'start <id>': 'start a created container',
  'state <id>': "print a container's state in JSON",
  'kill <id> [signal]': "send a signal; TERM presses a unikernel's power button",
  'delete <id>': 'remove a stopped container (--force: a running one, too)',
  'run <id>': 'create, start, wait for and delete a container',
  'exec <id> <command>': 'run a command in a container that is no unikernel',
  'pause <id>': 'hold a container',
  'resume <id>': 'let a held container go on',
  'ps <id>': 'list the processes of a container',
  list: 'list the containers',
  'events <id>': 'show what a container uses and what happens to it',
  'update <id>': 'change the limits of a container',
  spec: 'write an example of a config.json',
  features: 'print what the runtime can do',
};

const description = `An OCI runtime that makes unikernels ordinary containers. Container engines call it in crun's place:
a container that carries a unikernel becomes a virtual machine, every other container goes to crun.

The commands with an id, and list, spec and features, are those that engines use.
"ucrun help COMMAND" explains one; "man ucrun" says more.`;

/** What `doctor` is for. */
const doctorHelp = 'say whether unikernels can run here, and what to do if not';

/** What `setup` is for. */
const setupHelp = "put ucrun into an engine's configuration";

/** What `image` and `machine` are for. */
const imageHelp = 'list, make, move and remove the unikernels that SERVICE_NAME can name';
const machineHelp = 'run unikernels without an engine, also as services of systemd';

/** The commands below one of ours, and what each needs on its line. */
const groups: Readonly<
  Record<
    string,
    { readonly commands: readonly string[]; readonly operands: Readonly<Record<string, string>> }
  >
> = {
  image: { commands: imageCommands, operands: imageOperands },
  machine: { commands: machineCommands, operands: machineOperands },
};

/**
 * `--help`, `--version`, and the commands that people type.
 * @returns the exit status
 * @throws RuntimeError USAGE for a command line that cannot be meant
 */
export async function runForPeople(line: CommandLine, env: NodeJS.ProcessEnv): Promise<number> {
  const asked = line.globalArgs;
  if (asked.some(asksForVersion)) {
    // Engines ask for it, and a mistake in the configuration changes no version.
    print(versionText(await readConfigFor(identify(), env, () => {}), env));
    return 0;
  }
  const isQuestion = asked.some((arg) => asksForHelp(arg) || asksForCompletions(arg));
  if (line.verb === undefined && asked.length > 0 && !isQuestion) {
    throw new RuntimeError('USAGE', `no command in "${asked.join(' ')}"`, { hint: generalHint });
  }
  let status = 0;
  const onStatus = (found: number) => {
    status = found;
  };
  const { words, guestArgs } = splitGuestArgs(line, argumentsFor(line));
  const runs = { image: runner(env, onStatus), machine: machineRunner(env, onStatus), onStatus, env };
  await commands(line, runs, guestArgs).parseAsync(words);
  return status;
}

const generalHint = 'ucrun --help lists the commands';

/** What is behind `--` is a guest's, and no option of ours, whatever it looks like. */
function splitGuestArgs(
  { verb }: CommandLine,
  words: readonly string[],
): { readonly words: readonly string[]; readonly guestArgs: readonly string[] } {
  const at = verb === 'machine' ? words.indexOf('--') : -1;
  return at === -1 ? { words, guestArgs: [] } : { words: words.slice(0, at), guestArgs: words.slice(at + 1) };
}

interface Runs {
  readonly image: Run;
  readonly machine: RunMachine;
  readonly onStatus: (status: number) => void;
  readonly env: NodeJS.ProcessEnv;
}

function commands(line: CommandLine, run: Runs, guestArgs: readonly string[]): Argv {
  const parser = yargs().scriptName('ucrun').usage(`ucrun [OPTIONS] COMMAND\n\n${description}`);
  // Only the help and the completion see these: a line with such a verb goes another way.
  for (const [verb, help] of Object.entries(ociVerbs)) parser.command(verb, help);
  // Below machine -v is a volume, as engines have it.
  const versionLetters = line.verb === 'machine' ? ['V'] : ['v', 'V'];
  return parser
    .command('image', imageHelp, (image) => addImageCommands(image, run.image))
    .command('machine', machineHelp, (machine) => addMachineCommands(machine, run.machine, guestArgs))
    .command(
      'setup [engine]',
      setupHelp,
      (command) =>
        command
          .positional('engine', { type: 'string', describe: 'podman, docker, containerd or crio' })
          .option('default', {
            type: 'boolean',
            default: false,
            describe: 'make ucrun the runtime of every container',
          })
          .option('remove', {
            type: 'boolean',
            default: false,
            describe: 'take it out again; without an engine, of all of them',
          })
          .option('dry-run', { type: 'boolean', default: false, describe: 'only show what would change' }),
      async ({ engine, default: isDefault, remove, dryRun }) => {
        const { runSetup } = await import('./setup/command.ts');
        runSetup({ engine, isDefault, remove, isDryRun: dryRun }, run.env);
      },
    )
    .command(
      'doctor',
      doctorHelp,
      (command) =>
        command.option('json', { type: 'boolean', default: false, describe: 'print JSON' }).option('fix', {
          type: 'boolean',
          default: false,
          describe: 'remove what is left of containers that are gone',
        }),
      async ({ json, fix }) => {
        const { runDoctor } = await import('./doctor/command.ts');
        run.onStatus(await runDoctor({ json, fix }, run.env));
      },
    )
    .completion('completion', 'print a script that completes command lines in bash or zsh')
    .command('help [command]', 'show this, or what a command is for')
    .version(ucrunVersion())
    .describe('version', 'print the versions of ucrun, crun and QEMU')
    .alias('version', versionLetters)
    .option('root', { type: 'string', describe: 'the directory where crun keeps its state' })
    .option('log', { type: 'string', describe: 'a file to write errors to, beside stderr' })
    .option('log-format', {
      choices: ['text', 'json'] as const,
      describe: 'the form of the errors in that file',
    })
    .option('debug', { type: 'boolean', describe: 'say on stderr what ucrun does' })
    .help()
    .describe('help', 'show this')
    .alias('help', ['h', '?'])
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .strict()
    .fail((message, error) => {
      throw error ?? usageError(line, message);
    });
}

/** What yargs has to say, in our words and with the user's as they were typed. */
function usageError(line: CommandLine, message: string): RuntimeError {
  const { verb = '' } = line;
  const group = Object.hasOwn(groups, verb) ? groups[verb] : undefined;
  const hint = group === undefined ? generalHint : `ucrun ${verb} --help lists its commands`;
  const [command = ''] = line.verbArgs.filter((arg) => group?.commands.includes(arg) === true);
  if (message.startsWith('Not enough non-option arguments')) {
    const usage = { hint: `ucrun ${verb} ${command} --help shows how it is used` };
    return new RuntimeError('USAGE', `${verb} ${command} needs ${group?.operands[command]}`, usage);
  }
  const [, name, given, choices] = /Argument: (\S+), Given: (".*?"), Choices: (.*)/.exec(message) ?? [];
  if (name !== undefined)
    return new RuntimeError('USAGE', `option --${name} is ${given}, not one of ${choices}`, { hint });
  const unknown = /^Unknown (?:argument|command)s?: ([^,]*)/.exec(message)?.[1];
  if (unknown === undefined)
    return new RuntimeError('USAGE', message.charAt(0).toLowerCase() + message.slice(1), { hint });
  // yargs leaves out the dashes of an option.
  const option = line.args.find((arg) => /^-+/.test(arg) && arg.replace(/^-+|=.*$/g, '') === unknown);
  if (option !== undefined)
    return new RuntimeError('USAGE', `unknown option "${option}"`, {
      hint: command === '' ? hint : `ucrun ${verb} ${command} --help lists its options`,
    });
  if (group === undefined || line.verbArgs[0] !== unknown)
    return new RuntimeError('USAGE', `unexpected argument "${unknown}"`, { hint });
  const near = nearest(unknown, group.commands);
  return new RuntimeError('USAGE', `unknown command "${verb} ${unknown}"`, {
    hint: near === undefined ? hint : `did you mean "${verb} ${near}"?`,
  });
}

/**
 * `help` is what `--help` is, with or without a command of ours behind it.
 * @throws RuntimeError USAGE
 */
function argumentsFor({ args, verb, verbArgs, globalArgs }: CommandLine): readonly string[] {
  if (globalArgs.some(asksForCompletions)) return args;
  if (verb === 'help') {
    const [word, ...more] = verbArgs.filter((arg) => !asksForHelp(arg));
    if (word === undefined || word === 'help') return ['--help'];
    if (!peoplesVerbs.has(word)) throw unknownCommand(word);
    return [word, ...more, '--help'];
  }
  const isOwn = verb !== undefined && peoplesVerbs.has(verb);
  return isOwn ? args : ['--help'];
}
