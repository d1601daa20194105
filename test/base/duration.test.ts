import t from 'tap';
import { parseDurationMs } from '../../src/base/duration.ts';

t.test('parseDurationMs() reads ms, s and m', async (t) => {
  t.equal(parseDurationMs('0s', 'grace'), 0);
  t.equal(parseDurationMs('500ms', 'grace'), 500);
  t.equal(parseDurationMs('5s', 'grace'), 5000);
  t.equal(parseDurationMs('2m', 'grace'), 120_000);
});

t.test('parseDurationMs() refuses what is no time', async (t) => {
  for (const text of ['', '5', 's', '-1s', '1.5s', '5 s', '1h', '5S', '12345678s']) {
    t.throws(
      () => parseDurationMs(text, 'grace'),
      {
        code: 'USAGE',
        message: `grace is "${text}", not a time`,
        hint: 'a time is a whole number with its unit, such as 500ms, 5s or 2m',
      },
      `"${text}"`,
    );
  }
});
