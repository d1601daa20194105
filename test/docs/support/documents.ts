import { globSync, readFileSync } from 'node:fs';
import { errorCodes } from '../../../src/base/error-codes.ts';

/** Every document of the repository, by its path. */
export const documents: ReadonlyMap<string, string> = new Map(
  ['*.md', 'docs/**/*.md', 'hack/**/*.md', 'test/**/*.md']
    .flatMap((pattern) => globSync(pattern))
    .sort()
    .map((path) => [path, readFileSync(path, 'utf8')]),
);

/** A document's text. */
export function documentText(path: string): string {
  const text = documents.get(path);
  if (text === undefined) throw new Error(`no document ${path}`);
  return text;
}

/** A document's section, from its heading to the next one. */
export function sectionOf(path: string, heading: string): string {
  const sections = documentText(path).split(/^(?=#+ )/m);
  const found = sections.find((section) => section.replace(/^#+ /, '').startsWith(`${heading}\n`));
  if (found === undefined) throw new Error(`${path} has no section "${heading}"`);
  return found;
}

/** The rows of the first table in a text, without its head: the cells as written. */
export function tableRows(text: string): string[][] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith('|'));
  const rest = lines.slice(start);
  const end = rest.findIndex((line) => !line.startsWith('|'));
  return rest.slice(2, end === -1 ? undefined : end).map((line) =>
    line
      .replace(/^\| ?| ?\|$/g, '')
      .split('|')
      .map((cell) => cell.trim()),
  );
}

/** What follows a marker such as `<!-- keys -->`. */
export function afterMarker(path: string, marker: string): string {
  const [, after] = documentText(path).split(`<!-- ${marker} -->`);
  if (after === undefined) throw new Error(`${path} has no marker "${marker}"`);
  return after;
}

/** A cell without its backquotes. */
export function plain(cell: string | undefined): string {
  return (cell ?? '').replaceAll('`', '');
}

/** The blocks and spans of code in a text. */
export function codeIn(text: string): string[] {
  const blocks = [...text.matchAll(/^```.*\n([\s\S]*?)^```/gm)].map(([, code = '']) => code);
  const spans = [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`]+)`/g)];
  return [...blocks, ...spans.map(([, code = '']) => code)];
}

/**
 * The texts in the sources' string literals, with an ellipsis for each value that is put in, and the code of the error that each is: the one
 * that stands before it, else the only one of its file; undefined if there is none.
 */
export function literalsInSources(): ReadonlyMap<string, ReadonlySet<string | undefined>> {
  const literals = new Map<string, Set<string | undefined>>();
  for (const path of globSync('src/**/*.ts')) {
    const code = readFileSync(path, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
    const texts = [
      ...code.matchAll(/`((?:[^`\\]|\\[\s\S])*)`|'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"/g),
    ].map(([, template, single, double]) =>
      (template ?? single ?? double ?? '')
        .replaceAll(/\$\{[^{}]*\}/g, '…')
        .replaceAll('\\\n', '')
        .replaceAll(/\\(['"`])/g, '$1'),
    );
    const [only, ...others] = new Set(texts.filter((text) => text in errorCodes));
    for (const [index, text] of texts.entries()) {
      const before = texts[index - 1] ?? '';
      const codes = literals.get(text) ?? new Set();
      codes.add(before in errorCodes ? before : others.length === 0 ? only : undefined);
      literals.set(text, codes);
    }
  }
  return literals;
}
