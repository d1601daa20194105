import { type RuntimeError, raise } from '../base/runtime-error.ts';
import {
  type CommandLine,
  isVerb,
  parseCommandLine,
  parseVerbArgs,
  peoplesVerbs,
} from '../forward/command-line.ts';
import { findCrun } from '../forward/find-crun.ts';
import { exists } from '../host/files.ts';
import type { Call, ContainerCall } from '../runtime/container.ts';
import { isContainerId, statePaths } from '../runtime/state-dir.ts';
import { asksForCompletions, asksForHelp, asksForVersion, isSparseVerb, verbToExplain } from './asks.ts';
import { identify, isHostRoot, readConfigFor } from './config-for.ts';
import { debugLog } from './debug-log.ts';
import { forward } from './forward.ts';
import { internalCommands } from './machine/internal-commands.ts';

/** Verbs about a container that exists, which ucrun answers itself if it is a unikernel's. All others go to crun. */
const containerVerbs: ReadonlySet<string> = new Set([
  'start',
  'state',
  'kill',
  'pause',
  'resume',
  'delete',
  'update',
  'exec',
  'checkpoint',
]);

/**
 * Answer a command line: ours ourselves, everything else by becoming crun.
 * @returns the exit status
 * @throws RuntimeError
 */
export async function dispatch(line: CommandLine, env: NodeJS.ProcessEnv): Promise<number> {
  const explained = verbToExplain(line);
  if (explained !== undefined) {
    const asCrunHasIt = parseCommandLine([...line.globalArgs, explained, '--help']);
    const call = await makeCall(asCrunHasIt, env);
    return await answerVerbOfCrun(call);
  }
  if (line.verb === 'machine' && isInternal(line)) {
    const { answerInternal } = await import('./machine/internal.ts');
    return await answerInternal(line.verbArgs, env);
  }
  if (isForPeople(line)) {
    const { runForPeople } = await import('./people.ts');
    return await runForPeople(line, env);
  }
  if (line.verb !== undefined && !isVerb(line.verb)) {
    const { unknownCommand } = await import('./unknown-command.ts');
    throw unknownCommand(line.verb);
  }
  if (line.verb === 'probe') {
    const { answerProbe } = await import('./probe.ts');
    return await answerProbe(line);
  }
  const call = await makeCall(line, env);
  const { verb } = line;
  if (makesContainer(verb)) {
    const { createOrRun } = await import('./create-or-run.ts');
    return await createOrRun(call, verb, (id) => forContainer(call, id));
  }
  if (verb === 'prepare') {
    const { answerHook } = await import('./prepare.ts');
    return answerHook(call);
  }
  if (verb !== undefined && containerVerbs.has(verb)) {
    const id = parseVerbArgs(verb, line.verbArgs).positionals[0];
    if (id !== undefined && isContainerId(id)) {
      const container = forContainer(call, id);
      if (exists(container.paths.directory)) {
        const { answerForUnikernel } = await import('./answer.ts');
        return await answerForUnikernel(container, verb);
      }
    }
  }
  return await answerVerbOfCrun(call);
}

/** What every container has crun answer, if that crun can. */
async function answerVerbOfCrun(call: Call): Promise<number> {
  const { verb } = call.line;
  if (!isSparseVerb(verb)) return await forward(call);
  const { standIn } = await import('./stand-in.ts');
  return await standIn(call, verb);
}

/**
 * Verbs that hold the configuration to be right in all parts. A mistake in it stops new containers; one that exists must
 * still be seen, stopped and removed.
 */
function makesContainer(verb: string | undefined): verb is 'create' | 'run' {
  return verb === 'create' || verb === 'run';
}

async function makeCall(line: CommandLine, env: NodeJS.ProcessEnv): Promise<Call> {
  const problems: RuntimeError[] = [];
  const onProblem = makesContainer(line.verb) ? raise : (problem: RuntimeError) => problems.push(problem);
  const identity = identify();
  const config = await readConfigFor(identity, env, onProblem);
  const log = await debugLog(config, line.globals.debug, onProblem);
  for (const { message } of problems) log('a part of the configuration is not used', { problem: message });
  let found: string | undefined;
  return {
    line,
    env,
    config,
    crun: () => (found ??= findCrun(config.crun, env.PATH)),
    self: process.execPath,
    isHostRoot: isHostRoot(identity),
    log,
  };
}

function forContainer(call: Call, id: string): ContainerCall {
  const paths = statePaths(
    {
      configuredStateDir: call.config.stateDir,
      xdgRuntimeDir: call.env.XDG_RUNTIME_DIR,
      isHostRoot: call.isHostRoot,
      crunRoot: call.line.globals.root,
    },
    id,
  );
  return { ...call, id, paths };
}

function isInternal({ verbArgs: [command = ''] }: CommandLine): boolean {
  return internalCommands.includes(command);
}

/** `--help`, `--version` and the commands that no engine calls. What follows a verb of crun's is crun's to explain. */
function isForPeople({ verb, globalArgs }: CommandLine): boolean {
  if (verb === undefined) return true;
  return (
    peoplesVerbs.has(verb) ||
    globalArgs.some((arg) => asksForHelp(arg) || asksForVersion(arg) || asksForCompletions(arg))
  );
}
