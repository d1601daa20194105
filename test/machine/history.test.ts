import t from 'tap';
import { parseHistory } from '../../src/machine/history.ts';

const time = '{"timestamp": {"seconds": 1769900000, "microseconds": 250500}';

const cases: readonly (readonly [what: string, text: string, changes: readonly unknown[]])[] = [
  ['nothing', '', []],
  [
    'a pause, its end, and that of the machine',
    ['STOP', 'RESUME', 'SHUTDOWN'].map((event) => `${time}, "event": "${event}"}\n`).join(''),
    ['paused', 'running', 'stopping'].map((status) => ({ time: 1769900000250.5, status })),
  ],
  ['another event', `${time}, "event": "RTC_CHANGE"}\n`, []],
  ['an event without a time', '{"event": "STOP"}\n', []],
  [
    'a time that no date has',
    '{"timestamp": {"seconds": 99999999999, "microseconds": 1}, "event": "STOP"}',
    [],
  ],
  ['half a line', `${time}, "eve`, []],
];

for (const [what, text, changes] of cases)
  t.test(`parseHistory of ${what}`, async (t) => {
    t.strictSame(parseHistory(text), changes);
  });
