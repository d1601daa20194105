import { globSync, readFileSync } from 'node:fs';

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

/** The texts in the sources' string literals, with an ellipsis for each value that is put in. */
export function literalsInSources(): ReadonlySet<string> {
  const literals = new Set<string>();
  for (const path of globSync('src/**/*.ts')) {
    const code = readFileSync(path, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
    for (const [, template, single, double] of code.matchAll(
      /`((?:[^`\\]|\\[\s\S])*)`|'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"/g,
    )) {
      const text = (template ?? single ?? double ?? '').replaceAll(/\$\{[^{}]*\}/g, '…');
      literals.add(text.replaceAll('\\\n', '').replaceAll(/\\(['"`])/g, '$1'));
    }
  }
  return literals;
}
