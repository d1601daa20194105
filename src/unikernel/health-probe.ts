import { parseDurationMs } from '../base/duration.ts';
import { RuntimeError } from '../base/runtime-error.ts';

/** The program that a health check names and that no image has to have: ucrun answers in its place. */
export const probeProgram = 'ucrun-probe';

/** What a health check asks of the guest. */
export type HealthProbe =
  | { readonly kind: 'tcp'; readonly port: number; readonly timeoutMs: number }
  | {
      readonly kind: 'http';
      readonly port: number;
      /** With the query, from its slash on. */
      readonly path: string;
      readonly timeoutMs: number;
    };

/** Shorter than any engine's own limit, so that the reason is told before the engine's patience ends. */
const defaultTimeoutMs = 5000;
const longestTimeoutMs = 3_600_000;

/** An image wrote it. What is longer is no probe, and not worth the time to take it apart. */
const longestText = 4096;

/** One name for the guest is enough: a probe goes nowhere else. */
const guestNames: ReadonlySet<string> = new Set(['', 'localhost', '127.0.0.1', '[::1]']);

/**
 * The probe that a command is; undefined if it is any other command.
 * @param command as engines write it: words, or `sh -c TEXT` with the words in TEXT
 * @throws RuntimeError USAGE for a probe that cannot be meant
 */
export function parseHealthProbe(command: readonly string[]): HealthProbe | undefined {
  const [program, flag, text] = command;
  if (program === probeProgram) return parseWords(command.slice(1));
  const isShell = command.length === 3 && /^(?:(?:\/usr)?\/bin\/)?sh$/.test(program ?? '') && flag === '-c';
  if (!isShell || text === undefined || text.length > longestText) return undefined;
  if (!new RegExp(`^\\s*${probeProgram}(?:\\s|$)`).test(text)) return undefined;
  return parseWords(shellWords(text).slice(1));
}

function parseWords(words: readonly string[]): HealthProbe {
  const positionals: string[] = [];
  let timeoutMs = defaultTimeoutMs;
  const rest = words.values();
  for (const word of rest) {
    const [, value] = /^--timeout(?:=(.*))?$/.exec(word) ?? [];
    if (value !== undefined || word === '--timeout') {
      timeoutMs = parseTimeout(value ?? rest.next().value ?? '');
    } else if (word.startsWith('-')) {
      throw new RuntimeError('USAGE', `${probeProgram} has no option "${word}"`, { hint: usage });
    } else positionals.push(word);
  }
  const [kind, target, ...more] = positionals;
  if (target === undefined || more.length > 0 || (kind !== 'tcp' && kind !== 'http')) {
    throw new RuntimeError('USAGE', `cannot read the probe "${[probeProgram, ...words].join(' ')}"`, {
      hint: usage,
    });
  }
  return kind === 'tcp'
    ? { kind, port: parsePort(target), timeoutMs }
    : { kind, ...parseHttpTarget(target), timeoutMs };
}

const usage = `write ${probeProgram} tcp PORT or ${probeProgram} http :PORT/PATH, with --timeout 2s if need be`;

function parseTimeout(text: string): number {
  const timeoutMs = parseDurationMs(text, `option --timeout of ${probeProgram}`);
  if (timeoutMs > 0 && timeoutMs <= longestTimeoutMs) return timeoutMs;
  throw new RuntimeError('USAGE', `option --timeout of ${probeProgram} is "${text}"`, {
    hint: 'give it some time, such as 2s, and an hour at most',
  });
}

/** `:8080/health`, `localhost:8080`, `http://localhost/`; without a port it is HTTP's. */
function parseHttpTarget(text: string): { readonly port: number; readonly path: string } {
  const match = /^(http:\/\/)?([^/:?#@[\]]*|\[[0-9a-fA-F:]*\])(?::([^/?#]+))?([/?][\x21-\x7e]*)?$/.exec(text);
  const [, scheme, host = '', port, path = '/'] = match ?? [];
  if (match === null || path.includes('#') || (port === undefined && scheme === undefined)) {
    throw new RuntimeError('USAGE', `"${text}" is not what an HTTP probe can ask for`, {
      hint: 'write :8080/path or http://localhost:8080/path; there is no https',
    });
  }
  if (!guestNames.has(host)) {
    throw new RuntimeError('USAGE', `a probe asks its own container's guest, not "${host}"`, {
      hint: 'leave the host out, as in :8080/path, or write localhost',
    });
  }
  return {
    port: port === undefined ? 80 : parsePort(port),
    path: path.startsWith('?') ? `/${path}` : path,
  };
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65535) return port;
  throw new RuntimeError('USAGE', `"${text}" of ${probeProgram} is not a port`, {
    hint: 'give the port that the guest itself listens at, from 1 to 65535',
  });
}

/**
 * The words of one plain command, in quotes or not. `|| exit 1` behind it, which many write, changes nothing: a probe has no
 * other statuses. For anything else a shell would be needed, and there is none.
 */
function shellWords(text: string): readonly string[] {
  const command = text.replace(/\s*\|\|\s*exit\s+1\s*$/, '').trim();
  const word = String.raw`(?:[\w./:%=,@+?-]|\[|\]|'[^']*'|"[^"$\x60\\]*")+`;
  if (!new RegExp(`^${word}(?:[ \t]+${word})*$`).test(command)) {
    throw new RuntimeError('USAGE', `"${command}" needs a shell, which a unikernel does not have`, {
      hint: `put nothing but ${probeProgram} and its words there`,
    });
  }
  return command.split(/[ \t]+(?=(?:[^'"]|'[^']*'|"[^"]*")*$)/).map((part) => part.replaceAll(/['"]/g, ''));
}
