import {
  applyEdits,
  type FormattingOptions,
  modify,
  type ParseError,
  parse,
  printParseErrorCode,
} from 'jsonc-parser';
import { RuntimeError } from '../base/runtime-error.ts';
import type { ConfigText, Wish } from './engine.ts';

/** What ucrun has written into a daemon.json, or finds there. */
interface DaemonConfig {
  readonly runtimes?: Readonly<Record<string, { readonly path?: unknown } | undefined>>;
  readonly 'default-runtime'?: unknown;
}

/**
 * docker's daemon.json with ucrun in it; what else it says stays as it was written.
 * @param file an empty text for a file that is not there
 * @throws RuntimeError ENGINE_CONFIG_INVALID
 */
export function dockerConfig({ ucrun, isDefault }: Wish, { path, text }: ConfigText): string {
  const start = text.trim() === '' ? '{}\n' : text;
  const before = checkDaemonJson(start, path).runtimes?.ucrun;
  const named = isDefault ? set(start, ['default-runtime'], 'ucrun') : start;
  // Whoever has told docker of it by hand may have added arguments.
  return isObject(before)
    ? set(named, ['runtimes', 'ucrun', 'path'], ucrun)
    : set(named, ['runtimes', 'ucrun'], { path: ucrun });
}

/**
 * The same file without what ucrun put into it, for one that others have changed since.
 * @param original what it was like before, and `written` what ucrun made of it
 * @returns undefined if others have changed ucrun's part
 * @throws RuntimeError ENGINE_CONFIG_INVALID
 */
export function withoutUcrunInDocker(
  { path, text }: ConfigText,
  original: string | undefined,
  written: string,
): string | undefined {
  const [now, before, ours] = [text, original ?? '{}', written].map((each) => checkDaemonJson(each, path));
  if (now?.runtimes?.ucrun !== undefined && !isSame(now.runtimes.ucrun, ours?.runtimes?.ucrun))
    return undefined;
  let result =
    now?.runtimes?.ucrun === undefined ? text : set(text, ['runtimes', 'ucrun'], before?.runtimes?.ucrun);
  const left = checkDaemonJson(result, path).runtimes;
  if (before?.runtimes === undefined && left !== undefined && Object.keys(left).length === 0)
    result = set(result, ['runtimes'], undefined);
  const isDefault = ours?.['default-runtime'] !== before?.['default-runtime'];
  if (isDefault && now?.['default-runtime'] === ours?.['default-runtime'])
    result = set(result, ['default-runtime'], before?.['default-runtime']);
  return result;
}

/** The program that docker calls as "ucrun" by a daemon.json. @throws RuntimeError ENGINE_CONFIG_INVALID */
export function dockerRuntime({ path, text }: ConfigText): string | undefined {
  const found = checkDaemonJson(text, path).runtimes?.ucrun?.path;
  return typeof found === 'string' ? found : undefined;
}

/** Whether docker uses ucrun for every container. @throws RuntimeError ENGINE_CONFIG_INVALID */
export function isDockerDefault({ path, text }: ConfigText): boolean {
  return checkDaemonJson(text, path)['default-runtime'] === 'ucrun';
}

/** docker takes neither comments nor commas too many, so a file with them is one that it does not start with. */
function checkDaemonJson(text: string, path: string): DaemonConfig {
  if (text.trim() === '') return {};
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { disallowComments: true });
  const [error] = errors;
  if (error !== undefined) {
    const before = text.slice(0, error.offset).split('\n');
    const where = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
    throw new RuntimeError(
      'ENGINE_CONFIG_INVALID',
      `${path} is not JSON: ${where}: ${printParseErrorCode(error.error)}`,
      {
        hint: 'correct that first; nothing was changed',
      },
    );
  }
  const runtimes = isObject(value) ? value.runtimes : undefined;
  if (isObject(value) && (runtimes === undefined || isObject(runtimes))) return value as DaemonConfig;
  throw new RuntimeError(
    'ENGINE_CONFIG_INVALID',
    `${path} is not what docker reads: an object, with an object of "runtimes"`,
    {
      hint: 'correct that first; nothing was changed',
    },
  );
}

/** A new key comes first, so that no line changes that others wrote. */
function set(text: string, path: readonly string[], value: unknown): string {
  const edits = modify(text, [...path], value, {
    formattingOptions: formattingOf(text),
    getInsertionIndex: () => 0,
  });
  return applyEdits(text, edits);
}

function formattingOf(text: string): FormattingOptions {
  const [, indentation = '  '] = /^\s*\{\r?\n([ \t]+)/.exec(text) ?? [];
  return {
    insertSpaces: !indentation.startsWith('\t'),
    tabSize: indentation.length,
    eol: text.includes('\r\n') ? '\r\n' : '\n',
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
