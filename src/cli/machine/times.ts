import { RuntimeError } from '../../base/runtime-error.ts';

const millisecondsIn = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * A point in time as `--since` and `--until` have it: how long ago (`90s`, `1h30m`), seconds since 1970, or a date and time.
 * @returns milliseconds since 1970
 * @throws RuntimeError USAGE
 */
export function parseTime(text: string, option: string, now: number): number {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text) * 1000;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  if (parts.length > 0 && parts.map(([part]) => part).join('') === text) {
    return (
      now -
      parts.reduce(
        (sum, [, count, unit]) => sum + Number(count) * millisecondsIn[unit as keyof typeof millisecondsIn],
        0,
      )
    );
  }
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text.replace(' ', 'T')) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new RuntimeError('USAGE', `${option} is "${text}", not a time`, {
    hint: 'write how long ago, such as 10m or 1h30m, or a date such as 2026-01-31T18:00:00Z',
  });
}
