import { readFileSync } from 'node:fs';

export const manualPath = 'man/ucrun.1';
export const imageManualPath = 'man/ucrun-image.1';
export const configManualPath = 'man/ucrun.toml.5';
export const machineManualPath = 'man/ucrun-machine.1';
const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n');

/** An entry of a list in the manual: what `.It` names, and the text below it. Both without markup. */
export interface ManualItem {
  readonly name: string;
  readonly text: string;
}

/** The lists' entries in a section or subsection, up to the next one. */
export function manualItems(section: string, path = manualPath): ManualItem[] {
  const lines = linesOf(path);
  const start = lines.findIndex((line) => /^\.S[hs] /.test(line) && line.slice(4) === section);
  if (start === -1) throw new Error(`${path} has no section "${section}"`);
  const items: { name: string; text: string[] }[] = [];
  for (const line of lines.slice(start + 1)) {
    if (/^\.S[hs] /.test(line)) break;
    if (line.startsWith('.It ')) items.push({ name: withoutMarkup(line.slice(4)), text: [] });
    else if (!line.startsWith('.El')) items.at(-1)?.text.push(withoutMarkup(line));
  }
  return items.map(({ name, text }) => ({ name, text: text.join(' ').trim() }));
}

/** The whole text as written, but for escapes. */
export function manualText(path: string): string {
  return linesOf(path).map(withoutEscapes).join('\n');
}

function withoutMarkup(line: string): string {
  return withoutEscapes(line)
    .replace(/^\.[A-Z][a-z] /, '')
    .replaceAll(/\b(?:Ar|Cm|Ev|Ic|Li|Pa|Ns) /g, '')
    .replaceAll(/\bFl /g, '-')
    .replaceAll(/ (?=[,.:;]( |$))/g, '');
}

function withoutEscapes(line: string): string {
  return line.replaceAll('\\(dq', '"').replaceAll('\\&', '').replaceAll('\\e', '\\');
}
