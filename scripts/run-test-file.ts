import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { Parser, type Result } from 'tap-parser';

export interface FileResult {
  readonly file: string;
  readonly seconds: number;
  readonly passed: number;
  /** One text per failed assertion, and one if the file itself went wrong. */
  readonly failures: readonly string[];
  /** Name and reason of each assertion or test that was skipped. */
  readonly skips: readonly string[];
}

/** The groups of processes that run now: whoever ends the runner ends them too. */
const running = new Set<ChildProcess>();

/** What is shown of the output of a file that hangs. */
const latestCharacters = 2000;

/**
 * Runs one test file in a process group of its own and counts its assertions. Never throws for a test's fault.
 * @param timeoutSeconds for each of its tests, which tap sees to
 * @param patienceSeconds so much longer the file may take as a whole before it is killed
 */
export async function runTestFile(
  file: string,
  timeoutSeconds: number,
  patienceSeconds = 10,
): Promise<FileResult> {
  const started = performance.now();
  let passed = 0;
  const failures: string[] = [];
  const skips: string[] = [];
  let bailout: string | undefined;
  let stray = '';

  const child = spawn(process.execPath, [file], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    // tap ends a test that hangs, and says which; our own limit is for files that hang where tap cannot see it.
    env: { ...process.env, TAP_TIMEOUT: String(timeoutSeconds), FORCE_COLOR: '0', NO_COLOR: '1' },
  });
  running.add(child);
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const closed = once(child, 'close');

  const parser = new Parser();
  parser.on('pass', () => passed++);
  parser.on('fail', (result) => failures.push(describeFailure(result)));
  parser.on('skip', (result) => skips.push(`${result.fullname}: ${reason(result.skip)}`));
  parser.on('todo', (result) => skips.push(`${result.fullname}: to do: ${reason(result.todo)}`));
  parser.on('bailout', (why) => {
    bailout = why;
  });
  parser.on('extra', (text) => {
    stray += text;
  });
  const open = followOpenTests(parser);
  const parsed = once(parser, 'complete') as Promise<[{ ok: boolean; plan: { end: number | null } }]>;
  let latest = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    latest = (latest + chunk).slice(-latestCharacters);
    parser.write(chunk);
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stray += text;
  });

  const limitSeconds = timeoutSeconds + patienceSeconds;
  let hung: string | undefined;
  const timer = setTimeout(() => {
    const running = open.length === 0 ? 'no test was running' : `running: ${open.join(' > ')}`;
    hung = `${file} had not ended after ${limitSeconds} s; ${running}
its place in the kernel: ${placeInKernel(child)}
its last output:
${indent(latest.trimEnd())}`;
    kill(child);
  }, limitSeconds * 1000);
  const [code, signal] = await exited;
  clearTimeout(timer);
  kill(child);
  running.delete(child);
  // A daemon that a test left behind may hold the pipes open for ever.
  const patience = setTimeout(() => {
    child.stdout.destroy();
    child.stderr.destroy();
  }, 500);
  await closed;
  clearTimeout(patience);
  parser.end();
  const [results] = await parsed;

  if (hung !== undefined) failures.unshift(hung);
  else if (bailout !== undefined) failures.push(`${file} gave up: ${bailout}`);
  else if (signal !== null) failures.push(`${file} was ended by ${signal}`);
  else if (passed + failures.length + skips.length === 0)
    failures.push(`${file} ran no test (exit status ${code})`);
  else if (failures.length === 0 && code !== 0) failures.push(`${file} ended with exit status ${code}`);
  else if (failures.length === 0 && !results.ok)
    failures.push(`${file} did not run the tests it had planned`);
  if (failures.length > 0 && stray !== '')
    failures[0] = `${failures[0]}\nprinted by ${file}:\n${indent(stray.trimEnd())}`;
  return { file, seconds: (performance.now() - started) / 1000, passed, failures, skips };
}

/** @returns the names of the tests that have begun and not ended, from the outermost, as they are while the parser reads */
function followOpenTests(parser: Parser): readonly string[] {
  const open: string[] = [];
  const follow = (child: Parser) => {
    open.push(child.name);
    child.on('child', follow);
    child.on('complete', () => open.splice(open.lastIndexOf(child.name), 1));
  };
  parser.on('child', follow);
  return open;
}

/** Ends every test that runs now, with all that it started. */
export function killRunningTests(): void {
  for (const child of running) kill(child);
}

function kill(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    // ESRCH: nobody is left in the group.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Where the main thread waits: in its event loop, by `do_epoll_wait`, or in what tap's own limits cannot end. */
function placeInKernel({ pid }: ChildProcess): string {
  try {
    return readFileSync(`/proc/${pid}/wchan`, 'utf8');
  } catch {
    return 'not known';
  }
}

function describeFailure({ fullname, name, diag }: Result): string {
  const { diff, source, stack, at, ...rest } = (diag ?? {}) as Record<string, unknown>;
  const parts = [fullname.endsWith(name) ? fullname : `${fullname} > ${name}`];
  if (typeof diff === 'string') parts.push(indent(diff.trimEnd()));
  if (Object.keys(rest).length > 0) parts.push(indent(inspect(rest, { depth: 8, breakLength: 100 })));
  if (typeof source === 'string') parts.push(indent(source.trimEnd()));
  if (typeof stack === 'string') parts.push(indent(stack.trimEnd()));
  else if (at !== undefined) parts.push(indent(inspect(at, { breakLength: Number.POSITIVE_INFINITY })));
  return parts.join('\n');
}

function reason(given: boolean | string): string {
  return typeof given === 'string' && given !== '' ? given : 'no reason given';
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ');
}
