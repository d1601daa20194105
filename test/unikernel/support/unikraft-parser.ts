/** What a Unikraft kernel makes of its command line. */
export interface UnikraftSees {
  readonly args: readonly string[];
  /** Parameter, such as `env.vars`, → its values in their order. */
  readonly parameters: ReadonlyMap<string, readonly string[]>;
}

/** @see unikraft/unikraft lib/ukboot/early_init.c: without `--` behind the second word all words are arguments */
export function unikraftSees(commandLine: string): UnikraftSees {
  const [, ...words] = argumentsOf(commandLine);
  const parameters = new Map<string, string[]>();
  const stop = stopOf(words, parameters);
  if (stop === undefined || stop === 0) return { args: words, parameters: new Map() };
  return { args: words.slice(stop + 1), parameters };
}

const maxWords = 60;
const space = new Set([...' \r\n\t\v']);

/**
 * A quote that opens or closes is dropped. Outside quotes a backslash makes the next character stand for itself; inside double ones
 * only a quote and a backslash. The last word there is room for is taken as it is, with all that is behind it.
 * @see unikraft/unikraft lib/ukargparse/argparse.c, uk_argnparse()
 */
function argumentsOf(line: string): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  let isEscaped = false;
  for (let at = 0; at < line.length; at++) {
    const character = line[at] as string;
    if (space.has(character) && quote === '' && !isEscaped) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    const isQuote = character === '"' || character === "'";
    const isLiteralQuote = isQuote && isEscaped && (quote === '' || character === '"');
    if (isLiteralQuote && quote !== '') {
      word = `${word?.slice(0, -1)}${character}`;
      isEscaped = false;
      continue;
    }
    if (isQuote && !isLiteralQuote && (quote === '' || quote === character)) {
      quote = quote === '' ? character : '';
      continue;
    }
    if (word === undefined) {
      if (words.length === maxWords - 1) return [...words, line.slice(at)];
      word = '';
      isEscaped = false;
    }
    if (character === '\\' && quote !== "'") {
      if (!isEscaped) word += character;
      isEscaped = !isEscaped;
      continue;
    }
    if (isEscaped && quote === '') word = word.slice(0, -1);
    word += character;
    isEscaped = false;
  }
  return word === undefined ? words : [...words, word];
}

/** @see unikraft/unikraft lib/uklibparam/parser.c, parse_arg() */
function stopOf(words: readonly string[], parameters: Map<string, string[]>): number | undefined {
  let list: string[] | undefined;
  for (const [index, word] of words.entries()) {
    if (list === undefined) {
      if (word === '--') return index;
      const [, name, value] = /^([^.]*\.[^=]*)=([\s\S]*)$/.exec(word) ?? [];
      if (name === undefined || value === undefined) continue;
      const values = parameters.get(name) ?? [];
      parameters.set(name, values);
      if (!value.startsWith('[')) values.push(value);
      else list = listItem(value.slice(1), values);
    } else list = listItem(word, list);
  }
  return undefined;
}

/** The list that goes on; undefined where a bracket at the end of the item has ended it. */
function listItem(item: string, values: string[]): string[] | undefined {
  const isEnd = item.endsWith(']');
  const value = isEnd ? item.slice(0, -1) : item;
  if (value !== '') values.push(value);
  return isEnd ? undefined : values;
}
