import { applyPatch, createTwoFilesPatch, reversePatch, structuredPatch } from 'diff';

/** What ucrun did to a file: undefined stands for no file. */
export interface Change {
  readonly original: string | undefined;
  readonly written: string;
}

/** A file without ucrun's part; `isChanged` if others have changed that part, so that nobody can tell what is theirs. */
export type Undone =
  | { readonly isChanged: false; readonly text: string | undefined }
  | { readonly isChanged: true };

/**
 * Take ucrun's part out of a file. One that nobody else has changed becomes what it was, byte for byte; in another the lines that ucrun
 * put there are taken out, and the others' changes stay.
 * @param now undefined if somebody has removed it
 * @param takeOut does the same for a format in which lines are too coarse; undefined if it cannot
 */
export function undo(
  now: string | undefined,
  { original, written }: Change,
  takeOut?: (text: string) => string | undefined,
): Undone {
  if (now === undefined || now === original) return { isChanged: false, text: now };
  if (now === written) return { isChanged: false, text: original };
  const text = takeOut === undefined ? withoutLines(now, original, written) : takeOut(now);
  return text === undefined ? { isChanged: true } : { isChanged: false, text };
}

/** The difference between two texts, as `diff -u` shows it. */
export function diffText(path: string, before: string | undefined, after: string | undefined): string {
  const name = (text: string | undefined) => (text === undefined ? '/dev/null' : path);
  const patch = createTwoFilesPatch(name(before), name(after), before ?? '', after ?? '', '', '', {
    context: 3,
  });
  return patch.replace(/^(?:Index: .*\n)?=+\n/, '').replaceAll(/^(---|\+\+\+) (.*?)\t$/gm, '$1 $2');
}

/** A file that ucrun has made and others have changed is neither's: whoever changed it decides. */
function withoutLines(now: string, original: string | undefined, written: string): string | undefined {
  if (original === undefined) return undefined;
  const patch = reversePatch(structuredPatch('', '', original, written, '', '', { context: 0 }));
  const result = applyPatch(now, patch, { autoConvertLineEndings: false });
  return result === false ? undefined : result;
}
