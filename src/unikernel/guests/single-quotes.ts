/**
 * A word in single quotes, as a POSIX shell has them; a plain one stays as it is. Inside them everything stands for itself, so
 * that a quote is written outside, behind a backslash.
 */
export function singleQuoted(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
