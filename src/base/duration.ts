import { RuntimeError } from './runtime-error.ts';

const millisecondsIn = { ms: 1, s: 1000, m: 60_000 } as const;

/**
 * The time that `text` means, in milliseconds: `500ms` → 500, `5s` → 5000, `2m` → 120000, and `0s` → 0.
 * @param what which time it is, for the message, such as `stop.grace in /etc/ucrun/config.toml`
 * @throws RuntimeError USAGE
 */
export function parseDurationMs(text: string, what: string): number {
  const match = /^([0-9]{1,7})(ms|s|m)$/.exec(text);
  if (match === null) {
    throw new RuntimeError('USAGE', `${what} is "${text}", not a time`, {
      hint: 'a time is a whole number with its unit, such as 500ms, 5s or 2m',
    });
  }
  const [, digits, unit] = match;
  return Number(digits) * millisecondsIn[unit as keyof typeof millisecondsIn];
}
