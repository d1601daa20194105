import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseLogLine, readConsoleLog } from '../../src/machine/console-log.ts';
import type { LogOptions } from '../../src/machine/service.ts';
import { parseJournalEntry } from '../../src/machine/systemd/journal.ts';

const options: LogOptions = {
  follow: false,
  since: undefined,
  until: undefined,
  tail: undefined,
  signal: new AbortController().signal,
};
const line = (second: number, text: string) =>
  `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000Z ${text}\n`;

async function texts(path: string, changed: Partial<LogOptions> = {}): Promise<string[]> {
  const found: string[] = [];
  for await (const { text } of readConsoleLog(path, { ...options, ...changed }, () => true)) found.push(text);
  return found;
}

t.test('readConsoleLog() chooses by time and number, over both files', async (t) => {
  const path = join(t.testdir(), 'log');
  t.strictSame(await texts(path), [], 'there is none');
  writeFileSync(`${path}.1`, line(1, 'one'));
  writeFileSync(path, `${line(2, 'two')}${line(3, 'thrée\r')}${line(4, 'not whole').trimEnd()}`);
  t.strictSame(await texts(path), ['one', 'two', 'thrée']);
  t.strictSame(await texts(path, { tail: 1 }), ['thrée']);
  t.strictSame(await texts(path, { tail: 0 }), []);
  t.strictSame(await texts(path, { since: Date.parse('2026-01-01T00:00:02Z') }), ['two', 'thrée']);
  t.strictSame(await texts(path, { until: Date.parse('2026-01-01T00:00:02Z') }), ['one']);
});

t.test('readConsoleLog() follows until the machine has ended, also into a new file', async (t) => {
  const path = join(t.testdir(), 'log');
  writeFileSync(path, line(1, 'one'));
  let asked = 0;
  const found: string[] = [];
  const isOver = () => {
    asked++;
    if (asked === 1) appendFileSync(path, line(2, 'two'));
    if (asked === 2) {
      appendFileSync(path, line(2, 'the last of the old'));
      renameSync(path, `${path}.1`);
      writeFileSync(path, line(3, 'three'));
    }
    if (asked === 3) renameSync(path, `${path}.1`);
    if (asked === 4) writeFileSync(path, line(4, 'after a moment without a file'));
    return asked === 4;
  };
  for await (const { text } of readConsoleLog(path, { ...options, follow: true }, isOver)) found.push(text);
  t.strictSame(found, ['one', 'two', 'the last of the old', 'three', 'after a moment without a file']);
  t.strictSame(await texts(path), ['three', 'after a moment without a file']);
});

t.test('parseLogLine() and parseJournalEntry()', async (t) => {
  t.strictSame(parseLogLine('2026-01-01T00:00:00.123456Z  x '), [
    { time: '2026-01-01T00:00:00.123456Z', text: ' x ' },
  ]);
  t.strictSame(parseLogLine('what is no line of ours'), []);
  const time = '2026-01-02T03:04:05.678901Z';
  t.strictSame(parseJournalEntry('{"__REALTIME_TIMESTAMP":"1767323045678901","MESSAGE":"a"}'), {
    time,
    text: 'a',
  });
  t.strictSame(
    parseJournalEntry('{"__REALTIME_TIMESTAMP":"1767323045678901","MESSAGE":[195,169,255]}')?.text,
    'é\ufffd',
  );
  t.equal(parseJournalEntry('-- no entries --'), undefined);
});
