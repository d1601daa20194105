/** A table's header or a key with its value, with its place in the text. */
export interface TomlStatement {
  readonly kind: 'table' | 'array-table' | 'key';
  /** The whole way to it: a key's includes that of its table. */
  readonly path: readonly string[];
  /** Where its first character is, after the indentation. */
  readonly from: number;
  /** Where a key's value begins and ends; of a header, the end of the header. */
  readonly valueFrom: number;
  readonly valueTo: number;
}

/**
 * The statements of a TOML text, in their order.
 * @param text one that a parser accepts: what is wrong in it is not found here
 * @see TOML v1.0.0, "Keys", "Table", "String"
 */
export function tomlStatements(text: string): readonly TomlStatement[] {
  const statements: TomlStatement[] = [];
  let table: readonly string[] = [];
  let position = 0;
  for (;;) {
    position = skipSpace(text, position);
    if (position >= text.length) return statements;
    const from = position;
    if (text[position] === '[') {
      const isArray = text[position + 1] === '[';
      const { path, to } = readKey(text, position + (isArray ? 2 : 1));
      table = path;
      position = to + (isArray ? 2 : 1);
      const kind = isArray ? 'array-table' : 'table';
      statements.push({ kind, path, from, valueFrom: position, valueTo: position });
    } else {
      const { path, to } = readKey(text, position);
      const valueFrom = skipBlanks(text, to + 1);
      position = endOfValue(text, valueFrom);
      statements.push({ kind: 'key', path: [...table, ...path], from, valueFrom, valueTo: position });
    }
    position = endOfLine(text, position);
  }
}

/** Where the line of a position ends, before its line break. */
export function endOfLine(text: string, position: number): number {
  const end = text.indexOf('\n', position);
  if (end === -1) return text.length;
  return text[end - 1] === '\r' ? end - 1 : end;
}

/** Blanks, line breaks and comments. */
function skipSpace(text: string, from: number): number {
  let position = from;
  while (position < text.length) {
    if (text[position] === '#') position = endOfLine(text, position);
    else if (/\s/.test(text[position] ?? '')) position++;
    else break;
  }
  return position;
}

function skipBlanks(text: string, from: number): number {
  let position = from;
  while (text[position] === ' ' || text[position] === '\t') position++;
  return position;
}

/** A key of parts with dots between them. `to` is where what follows it stands: an equals sign or a bracket. */
function readKey(text: string, from: number): { readonly path: readonly string[]; readonly to: number } {
  const path: string[] = [];
  let position = from;
  for (;;) {
    position = skipBlanks(text, position);
    const quote = text[position];
    if (quote === '"' || quote === "'") {
      const end = endOfString(text, position);
      const inner = text.slice(position + 1, end - 1);
      path.push(quote === '"' ? (JSON.parse(`"${inner}"`) as string) : inner);
      position = end;
    } else {
      const [part = ''] = /^[A-Za-z0-9_-]*/.exec(text.slice(position, position + 256)) ?? [];
      path.push(part);
      position += part.length;
    }
    position = skipBlanks(text, position);
    if (text[position] !== '.') return { path, to: position };
    position++;
  }
}

/** Where a value ends that may hold arrays, inline tables and strings over several lines. */
function endOfValue(text: string, from: number): number {
  let depth = 0;
  let position = from;
  let end = from;
  while (position < text.length) {
    const character = text[position] ?? '';
    if (character === '"' || character === "'") {
      position = endOfString(text, position);
      end = position;
      continue;
    }
    if (character === '#') {
      if (depth === 0) return end;
      position = endOfLine(text, position);
      continue;
    }
    if (character === '\n' && depth === 0) return end;
    if (character === '[' || character === '{') depth++;
    if (character === ']' || character === '}') depth--;
    position++;
    if (!/\s/.test(character)) end = position;
  }
  return end;
}

/** Where a string of any of the four kinds ends, after its quotes. */
function endOfString(text: string, from: number): number {
  const quote = text[from] ?? '';
  const isLong = text.startsWith(quote.repeat(3), from);
  let position = from + (isLong ? 3 : 1);
  while (position < text.length) {
    if (text[position] === '\\' && quote === '"') position += 2;
    else if (isLong && text.startsWith(quote.repeat(3), position)) {
      position += 3;
      // Up to two quotes may stand before the three that end it.
      while (text[position] === quote) position++;
      return position;
    } else if (!isLong && text[position] === quote) return position + 1;
    else position++;
  }
  return position;
}
