import { RuntimeError } from '../../base/runtime-error.ts';
import { requireTool } from '../../host/tools.ts';
import type { Scope } from '../places.ts';
import type { LogLine, LogOptions } from '../service.ts';
import { serviceName } from './units.ts';

/**
 * What a machine has written to the journal: its console, and what ucrun had to say of it.
 * @throws RuntimeError SYSTEMD_FAILED
 * @see journalctl(1); systemd.journal-fields(7)
 */
export async function* readJournal(
  scope: Scope,
  name: string,
  { follow, since, until, tail, signal }: LogOptions,
  env: NodeJS.ProcessEnv,
): AsyncIterable<LogLine> {
  const program = requireTool('journalctl', env.PATH);
  const { execa } = await import('execa');
  const time = (option: string, value: number | undefined) =>
    value === undefined ? [] : [`--${option}=@${(value / 1000).toFixed(6)}`];
  const args = [
    scope === 'user' ? `--user-unit=${serviceName(name)}` : `--unit=${serviceName(name)}`,
    `SYSLOG_IDENTIFIER=${name}`,
    '--output=json',
    '--output-fields=MESSAGE',
    '--no-pager',
    '--quiet',
    ...time('since', since),
    ...time('until', until),
    `--lines=${tail ?? 'all'}`,
    ...(follow ? ['--follow'] : []),
  ];
  const journal = execa(program, args, {
    env,
    extendEnv: false,
    stdin: 'ignore',
    cancelSignal: signal,
    reject: false,
    buffer: { stdout: false },
  });
  for await (const line of journal) {
    const entry = parseJournalEntry(line);
    if (entry !== undefined) yield entry;
  }
  const { exitCode, stderr } = await journal;
  if (signal.aborted || exitCode === 0) return;
  throw new RuntimeError('SYSTEMD_FAILED', `cannot read the journal of machine "${name}"`, {
    hint: `journalctl says: ${String(stderr).trim().split('\n').at(-1)}`,
  });
}

/** An entry as `journalctl --output=json` prints it; what is no text comes as a list of bytes. */
export function parseJournalEntry(line: string): LogLine | undefined {
  let entry: Readonly<Record<string, unknown>>;
  try {
    entry = JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
  const { __REALTIME_TIMESTAMP: microseconds, MESSAGE: message } = entry;
  if (typeof microseconds !== 'string' || !/^\d{1,17}$/.test(microseconds)) return undefined;
  const text = Array.isArray(message)
    ? Buffer.from(message as number[]).toString('utf8')
    : String(message ?? '');
  const milliseconds = Number(microseconds.slice(0, -3));
  const time = new Date(milliseconds).toISOString().replace('Z', `${microseconds.slice(-3)}Z`);
  return { time, text: text.replace(/\r$/, '') };
}
