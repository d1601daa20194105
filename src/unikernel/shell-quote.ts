/**
 * A word that sh(1) reads back as exactly this text, whatever is in it.
 * @throws Error for a zero byte, which no program argument can hold; callers check their input earlier
 */
export function shellQuote(text: string): string {
  if (text.includes('\0')) throw new Error('a zero byte cannot be quoted for a shell');
  return `'${text.replaceAll("'", "'\\''")}'`;
}
