import { crunHasVerb } from '../forward/crun-verbs.ts';
import { runProgram } from '../host/processes.ts';
import type { Call } from '../runtime/container.ts';
import { asksForHelp, type SparseVerb } from './asks.ts';
import { forward } from './forward.ts';
import { isBrokenPipe, print } from './print.ts';

/** What crun would explain if it had them. */
const usages: Readonly<Record<SparseVerb, string>> = {
  events: `ucrun events [--stats | --interval 5s] ID
What a container uses, in one line of JSON: once with --stats, else each interval until the container ends.
`,
  features: `ucrun features
What the runtime can do, in JSON.
`,
};

/**
 * `events` and `features`: crun's where crun has them, ours where it does not.
 * @returns the exit status
 * @throws RuntimeError
 */
export async function standIn(call: Call, verb: SparseVerb): Promise<number> {
  const crun = call.crun();
  const isCruns = crunHasVerb(crun, verb);
  const isHelp = call.line.verbArgs.some(asksForHelp);
  if (isCruns && (isHelp || verb === 'events')) return await forward(call);
  if (isHelp) {
    print(usages[verb]);
    return 0;
  }
  if (verb === 'events') {
    const { containerEvents } = await import('../runtime/events.ts');
    return await containerEvents(call, writeLine);
  }
  const { featuresOfOldCrun, parseCrunBuild, withOwnFeatures } = await import('../runtime/features.ts');
  if (!isCruns) {
    printJson(featuresOfOldCrun(parseCrunBuild(runProgram(crun, ['--version'], { env: {} }).stdout)));
    return 0;
  }
  const { status, stdout, stderr } = runProgram(crun, call.line.args, { env: call.env });
  if (status !== 0) {
    print(stderr, 2);
    return status;
  }
  printJson(withOwnFeatures(JSON.parse(stdout) as Record<string, unknown>));
  return 0;
}

/** Whoever reads has seen enough once it closes the pipe. */
function writeLine(line: string): void {
  try {
    print(`${line}\n`);
  } catch (error) {
    if (!isBrokenPipe(error)) throw error;
    process.exit(0);
  }
}

function printJson(value: object): void {
  print(`${JSON.stringify(value, undefined, 2)}\n`);
}
