/** What an OSv kernel makes of its command line. */
export interface OsvSees {
  /** Option → its values; of a flag none. */
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly args: readonly string[];
}

/**
 * Options go up to the first word that does not begin with a hyphen; the rest is the command.
 * @see cloudius-systems/osv core/commands.cc, loader_parse_cmdline(); core/options.cc
 */
export function osvSees(commandLine: string): OsvSees {
  const options = new Map<string, readonly string[]>();
  let rest = commandLine;
  for (;;) {
    const [word] = /^[ \t\n]*-(?:\\[\s\S]|[^ \t\n\\])*/.exec(rest) ?? [];
    if (word === undefined) break;
    rest = rest.slice(word.length);
    const option = word.trimStart().replaceAll(/\\([\s\S])/g, '$1');
    const [, key = '', value] = /^--([^=]*)(?:=([\s\S]+))?$/.exec(option) ?? [];
    options.set(key, [...(options.get(key) ?? []), ...(value === undefined ? [] : [value])]);
  }
  return { options, args: commandWords(rest, options.get('env') ?? []) };
}

const escapes: Readonly<Record<string, string>> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\\': '\\', "'": "'", '"': '"' },
};

/**
 * The words of the one command; an error for several, or for none that can be read.
 * @see cloudius-systems/osv core/commands.cc, struct command, expand_environ_vars()
 */
function commandWords(line: string, env: readonly string[]): readonly string[] {
  const words: string[] = [];
  const space = /[ \t\n\v\f\r]*/y;
  const escaped = String.raw`\\[abfnrtv\\'"]`;
  const pattern = new RegExp(`"((?:${escaped}|[^"\x80-\uffff])*)"|((?:${escaped}|[^ ;&!\x80-\uffff])+)`, 'y');
  for (let at = 0; ; ) {
    space.lastIndex = at;
    space.exec(line);
    if (space.lastIndex === line.length) return words;
    pattern.lastIndex = space.lastIndex;
    const match = pattern.exec(line);
    if (match === null) throw new Error(`cannot be parsed: ${line}`);
    at = pattern.lastIndex;
    const text = (match[1] ?? match[2] ?? '').replaceAll(
      /\\([abfnrtv\\'"])/g,
      (_, name: string) => escapes[name] ?? '',
    );
    words.push(expanded(text, env));
  }
}

/** What follows the first dollar sign is a variable's name. */
function expanded(word: string, env: readonly string[]): string {
  const dollar = word.indexOf('$');
  if (dollar === -1) return word;
  const found = env.find((entry) => entry.startsWith(`${word.slice(dollar + 1)}=`));
  return word.slice(0, dollar) + (found?.slice(found.indexOf('=') + 1) ?? '');
}
