/** What a Hermit kernel makes of its command line, the path of its loader first. */
export interface HermitSees {
  readonly image: string | undefined;
  readonly args: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  /** What it would complain of. */
  readonly unknown: readonly string[];
}

const valueOptions: ReadonlyMap<string, string> = new Map([
  ['-ip', 'HERMIT_IP'],
  ['-mask', 'HERMIT_MASK'],
  ['-gateway', 'HERMIT_GATEWAY'],
]);

/** @see hermit-os/kernel src/env/mod.rs */
export function hermitSees(commandLine: string): HermitSees {
  const words = shellWords(commandLine);
  const env = new Map<string, string>();
  const unknown: string[] = [];
  let image: string | undefined;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    const variable = valueOptions.get(word);
    const [, name, value] = /^env=([^=]*)=([\s\S]*)$/.exec(word) ?? [];
    if (word === '--') return { image, args: words.slice(at + 1), env, unknown };
    if (variable !== undefined) env.set(variable, words[++at] ?? '');
    else if (name !== undefined) env.set(name, value ?? '');
    else if (word.includes('=') || image !== undefined) unknown.push(word);
    else image = word;
  }
  return { image, args: [], env, unknown };
}

/** Words as a POSIX shell splits them, a comment at the start of a word included. @see comex/rust-shlex src/lib.rs */
function shellWords(line: string): readonly string[] {
  const words: string[] = [];
  const pattern = /[ \t\n]*(?:#[^\n]*|((?:'[^']*'|"(?:[^"\\]|\\[\s\S])*"|\\[\s\S]|[^ \t\n'"\\])+))/y;
  for (;;) {
    const match = pattern.exec(line);
    if (match === null) return words;
    const [, word] = match;
    if (word !== undefined) words.push(unquoted(word));
  }
}

function unquoted(word: string): string {
  return word.replaceAll(
    /'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])/g,
    (_, single?: string, double?: string, escaped?: string) =>
      single ?? double?.replaceAll(/\\([$`"\\\n])/g, '$1') ?? escaped ?? '',
  );
}
