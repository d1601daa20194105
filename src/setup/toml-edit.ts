import { isDeepStrictEqual } from 'node:util';
import { parse, TomlError } from 'smol-toml';
import { RuntimeError } from '../base/runtime-error.ts';
import { endOfLine, type TomlStatement, tomlStatements } from './toml-statements.ts';

export type TomlValue = string | number | boolean | readonly string[];
export type TomlTable = Readonly<Record<string, unknown>>;

/** A key with its whole way, and what it is to be. */
export interface TomlSetting {
  readonly path: readonly string[];
  readonly value: TomlValue;
}

/**
 * What a TOML text says.
 * @param file whose text it is, for the message
 * @throws RuntimeError ENGINE_CONFIG_INVALID
 */
export function parseToml(text: string, file: string): TomlTable {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const where = `line ${cause.line}, column ${cause.column}`;
    throw new RuntimeError('ENGINE_CONFIG_INVALID', `${file} is not TOML: ${where}`, {
      cause,
      hint: 'correct that line first; nothing was changed',
    });
  }
}

/**
 * The text with settings made in it, each where its table is, and everything else as it was: comments, order, blanks.
 * Making them again changes nothing.
 * @throws RuntimeError ENGINE_CONFIG_INVALID if the text is no TOML, or cannot be changed by adding lines and replacing values
 */
export function setInToml(text: string, settings: readonly TomlSetting[], file: string): string {
  const before = parseToml(text, file);
  const after = settings.reduce(setOne, text);
  const expected = structuredClone(before) as Record<string, unknown>;
  if (settings.every((setting) => put(expected, setting)) && saysThis(after, expected)) return after;
  throw new RuntimeError('ENGINE_CONFIG_INVALID', `${file} is written in a way that cannot be added to`, {
    hint: `add this to it by hand: ${settings.map(({ path, value }) => `${renderKey(path)} = ${renderValue(value)}`).join('; ')}`,
  });
}

/** A key as it is written: parts that need quotes have them. */
export function renderKey(path: readonly string[]): string {
  return path.map((part) => (/^[A-Za-z0-9_-]+$/.test(part) ? part : JSON.stringify(part))).join('.');
}

/** A value as it is written. JSON's strings are TOML's. */
export function renderValue(value: TomlValue): string {
  return Array.isArray(value)
    ? `[${value.map((item) => JSON.stringify(item)).join(', ')}]`
    : JSON.stringify(value);
}

/** What is at the end of a way through tables; undefined if there is nothing. */
export function valueAt(table: unknown, path: readonly string[]): unknown {
  let value = table;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

function setOne(text: string, { path, value }: TomlSetting): string {
  const statements = tomlStatements(text);
  const own = statements.find((each) => each.kind === 'key' && isSame(each.path, path));
  if (own !== undefined) return splice(text, own.valueFrom, own.valueTo, renderValue(value));
  const table = path.slice(0, -1);
  const line = `${renderKey(path.slice(-1))} = ${renderValue(value)}`;
  const lineBreak = text.includes('\r\n') ? '\r\n' : '\n';
  const header = statements.findIndex((each) => each.kind === 'table' && isSame(each.path, table));
  if (header === -1 && table.length > 0) {
    const gap = text === '' || text.endsWith(lineBreak) ? '' : lineBreak;
    const blank = text === '' ? '' : lineBreak;
    return `${text}${gap}${blank}[${renderKey(table)}]${lineBreak}${line}${lineBreak}`;
  }
  const last = lastOfTable(statements, header);
  if (last === undefined) return `${line}${lineBreak}${text}`;
  const place = endOfLine(text, last.valueTo);
  return splice(text, place, place, `${lineBreak}${indentationOf(text, last)}${line}`);
}

/** The last statement of the table that begins with a header; -1 is the top of the file. */
function lastOfTable(statements: readonly TomlStatement[], header: number): TomlStatement | undefined {
  const next = statements.findIndex((each, index) => index > header && each.kind !== 'key');
  return statements[(next === -1 ? statements.length : next) - 1];
}

function indentationOf(text: string, { from }: TomlStatement): string {
  const start = text.lastIndexOf('\n', from - 1) + 1;
  return text.slice(start, from);
}

function splice(text: string, from: number, to: number, inserted: string): string {
  return `${text.slice(0, from)}${inserted}${text.slice(to)}`;
}

function put(root: Record<string, unknown>, { path, value }: TomlSetting): boolean {
  let table = root;
  for (const part of path.slice(0, -1)) {
    table[part] ??= {};
    const next = table[part];
    if (typeof next !== 'object' || next === null || Array.isArray(next)) return false;
    table = next as Record<string, unknown>;
  }
  table[path.at(-1) ?? ''] = value;
  return true;
}

function saysThis(text: string, expected: unknown): boolean {
  try {
    // Through JSON: the parser's tables have no prototype of ours.
    return isDeepStrictEqual(plain(parse(text)), plain(expected));
  } catch (error) {
    if (error instanceof TomlError) return false;
    throw error;
  }
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_key, each) => (typeof each === 'bigint' ? `${each}n` : each)));
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((part, index) => part === b[index]);
}
