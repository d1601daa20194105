import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { execa } from 'execa';

export interface Outcome {
  /** 128 + n if signal n ended it, as a shell counts. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** What the command reads; nothing by default. */
  readonly input?: string;
  /** Do not end the input: on a terminal its end is a character that programs may echo. */
  readonly keepsInputOpen?: boolean;
  /** Write the input once this was printed on stdout, as a person would, and do not end it. */
  readonly typesAfter?: RegExp;
  /** What to type after the input, each text once the pattern before it was printed after the text before. */
  readonly dialogue?: readonly (readonly [after: RegExp, text: string])[];
  /** latin1: a character for each byte, of the input as well. */
  readonly encoding?: 'utf8' | 'latin1';
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutSeconds?: number;
}

/**
 * Run a program to its end, whatever its exit status.
 * @throws Error if it cannot be started, or has not ended in time; then it is killed. What it has started has its output, too, and may
 * live on: that is not waited for.
 */
export async function run(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Outcome> {
  const { input = '', keepsInputOpen = false, typesAfter, dialogue, env = {}, cwd } = options;
  const { encoding = 'utf8', timeoutSeconds = 120 } = options;
  const running = execa(program, args, {
    env,
    ...(cwd === undefined ? {} : { cwd }),
    timeout: timeoutSeconds * 1000,
    killSignal: 'SIGKILL',
    reject: false,
    stripFinalNewline: false,
    encoding,
  });
  // A program that does not read, or has ended, is no fault here.
  running.stdin.on('error', () => undefined);
  const type = (text: string) => running.stdin.write(Buffer.from(text, encoding));
  if (typesAfter !== undefined) onceMatched(running.stdout, typesAfter, () => type(input));
  else if (keepsInputOpen || dialogue !== undefined) type(input);
  else running.stdin.end(input);
  if (dialogue !== undefined) converse(running.stdout, dialogue, type);
  let isHeld = false;
  const letGo = setTimeout(
    () => {
      isHeld = true;
      running.stdout.destroy();
      running.stderr.destroy();
    },
    (timeoutSeconds + 5) * 1000,
  );
  const result = await running.finally(() => clearTimeout(letGo));
  const { stdout, stderr, exitCode, signal } = result;
  if (result.timedOut || isHeld)
    throw new Error(
      `not ended after ${timeoutSeconds} s: ${[program, ...args].join(' ')}\n${stdout}${stderr}`,
    );
  const status =
    exitCode ?? (signal === undefined ? undefined : 128 + constants.signals[signal as NodeJS.Signals]);
  if (status === undefined) throw new Error(`cannot run ${program}: ${result.shortMessage}`);
  return { status, stdout, stderr };
}

/** Run a program that has to succeed. @returns what it printed on stdout */
export async function output(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { status, stdout, stderr } = await run(program, args, options);
  if (status !== 0) {
    throw new Error(`exit status ${status}: ${[program, ...args].join(' ')}\n${stdout}${stderr}`);
  }
  return stdout;
}

/**
 * Run a command whose output goes to a file: what it leaves running, such as the container of a `create`, keeps that open.
 * @returns the exit status
 */
export async function runWithOutputTo(file: string, command: readonly string[]): Promise<number> {
  const line = `${command.map(quote).join(' ')} >${quote(file)} 2>&1`;
  return (await run('sh', ['-c', line])).status;
}

/** A shell's word for a value, whatever is in it. */
export function quote(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/** Run a program on a terminal of its own, which joins stdout and stderr and ends lines with CR LF. */
export function runOnTerminal(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Outcome> {
  return run(
    'script',
    ['--quiet', '--return', '--command', [program, ...args].map(quote).join(' '), '/dev/null'],
    { ...options, keepsInputOpen: true },
  );
}

function onceMatched(stream: Readable, pattern: RegExp, act: () => void): void {
  let seen = '';
  stream.on('data', (chunk) => {
    const before = pattern.test(seen);
    seen += chunk;
    if (!before && pattern.test(seen)) act();
  });
}

function converse(
  stream: Readable,
  dialogue: NonNullable<CommandOptions['dialogue']>,
  type: (text: string) => void,
): void {
  const steps = dialogue.values();
  let seen = '';
  let step = steps.next().value;
  stream.on('data', (chunk) => {
    seen += chunk;
    if (step === undefined || !step[0].test(seen)) return;
    seen = '';
    type(step[1]);
    step = steps.next().value;
  });
}
