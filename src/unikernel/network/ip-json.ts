import { RuntimeError } from '../../base/runtime-error.ts';

/**
 * What ip(8) printed with `-json`: it prints one list a command, and each begins at the start of a line.
 * @param about of whom it was asked, for the message
 * @throws RuntimeError HOST_FAILED if it is not JSON
 */
export function parseIpLists(output: string, about: string): readonly unknown[] {
  try {
    return JSON.parse(`[${output.trim().replaceAll(/\]\s*\n\s*\[/g, '],[')}]`) as unknown[];
  } catch (cause) {
    throw new RuntimeError('HOST_FAILED', `ip(8) printed no JSON about ${about}`, { cause });
  }
}

/** The objects of such a list, none if it is no list. Some versions print `{}` for what was not asked for. */
export function asRecords(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (!Array.isArray(value)) return [];
  return value.filter((entry) => typeof entry === 'object' && entry !== null);
}
