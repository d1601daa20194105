import { RuntimeError } from '../base/runtime-error.ts';
import { isProgram, programDirectories } from './files.ts';

const usualDirectories = ['/usr/bin', '/usr/local/bin', '/run/current-system/sw/bin'];

/** Whether and where a program is installed. */
export function findTool(name: string, searchPath: string | undefined): string | undefined {
  return programDirectories(searchPath, usualDirectories)
    .map((directory) => `${directory}/${name}`)
    .find(isProgram);
}

/** The same, for a program that must be there. @throws RuntimeError TOOL_MISSING */
export function requireTool(name: string, searchPath: string | undefined): string {
  const found = findTool(name, searchPath);
  if (found !== undefined) return found;
  throw new RuntimeError(
    'TOOL_MISSING',
    `${name} is missing: looked on PATH and in ${usualDirectories.join(', ')}`,
    {
      hint: `install the package ${name}`,
    },
  );
}

export interface ToolCall {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** What it says of its progress goes to our stderr. */
  readonly showsProgress: boolean;
  /** What it is called for, as in `cannot copy "…"`. */
  readonly purpose: string;
}

/**
 * Run a program to its end.
 * @returns what it printed, unless that was shown
 * @throws RuntimeError TOOL_FAILED with what it said last
 */
export async function runTool(call: ToolCall): Promise<string> {
  const { program, args, cwd, env, signal, showsProgress, purpose } = call;
  const { execa } = await import('execa');
  const result = await execa(program, args, {
    ...(cwd === undefined ? {} : { cwd }),
    env,
    extendEnv: false,
    stdin: 'ignore',
    stdout: showsProgress ? process.stderr : 'pipe',
    cancelSignal: signal,
    reject: false,
  });
  signal.throwIfAborted();
  if (!result.failed) return result.stdout ?? '';
  const name = program.slice(program.lastIndexOf('/') + 1);
  throw new RuntimeError('TOOL_FAILED', `${purpose} failed`, {
    hint: hintFor(name, lastWords(result.stderr ?? '') || `it ended with status ${result.exitCode}`),
    cause: result,
  });
}

/** skopeo and its like write log lines; what they mean is in the last one. */
function lastWords(stderr: string): string {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  const quoted = /\bmsg=("(?:[^"\\]|\\.)*")/.exec(line)?.[1];
  return quoted === undefined ? line : unquoted(quoted);
}

/** Go quotes as JSON does, but for some control characters. */
function unquoted(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text.slice(1, -1);
  }
}

function hintFor(name: string, words: string): string {
  const isPlain = /server gave HTTP response to HTTPS client|certificate/.test(words);
  return `${name} says: ${words}${isPlain ? '; --tls-verify=false allows a registry without a trusted certificate' : ''}`;
}
