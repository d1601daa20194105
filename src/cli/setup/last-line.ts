/** What a program said last, which mostly says why it failed. */
export function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) || 'nothing';
}
