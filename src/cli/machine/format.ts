import { nearest } from '../../base/nearest.ts';
import { RuntimeError } from '../../base/runtime-error.ts';
import { table } from '../table.ts';

/** A line of a list: its columns as people see them, by the names that templates have for them. */
export type Row = Readonly<Record<string, string>>;

/**
 * Fill a template in for each row: `{{.Name}} is {{.Status}}`, `\t` and `\n` meaning a tabulator and a line's end; `{{json .}}` is the
 * whole of it. Behind `table ` it makes a table with a heading.
 * @param whole what `{{json .}}` stands for, a row each
 * @throws RuntimeError USAGE for a column that there is not
 */
export function fillTemplate(
  template: string,
  rows: readonly Row[],
  columns: readonly string[],
  whole: readonly unknown[],
): string {
  const asTable = /^table\s+/.exec(template);
  const text = (asTable === null ? template : template.slice(asTable[0].length))
    .replaceAll('\\t', '\t')
    .replaceAll('\\n', '\n');
  const fill = (textOf: (column: string) => string, json: string) =>
    text.replaceAll(/\{\{(.*?)\}\}/gs, (placeholder, inside: string) => {
      const expression = inside.trim();
      if (expression === 'json .') return json;
      const [, column] = /^\.([A-Za-z]+)$/.exec(expression) ?? [];
      if (column !== undefined && columns.includes(column)) return textOf(column);
      const near = column === undefined ? undefined : nearest(column, columns);
      throw new RuntimeError('USAGE', `"${placeholder}" in --format is no column`, {
        hint:
          near === undefined
            ? `columns: ${columns.map((name) => `{{.${name}}}`).join(' ')}`
            : `did you mean {{.${near}}}?`,
      });
    });
  // A wrong template is one also where there is nothing to list.
  const heading = fill((column) => column.toUpperCase(), '');
  const lines = rows.map((row, index) => fill((column) => row[column] ?? '', JSON.stringify(whole[index])));
  if (asTable === null) return lines.map((line) => `${line}\n`).join('');
  return table([heading, ...lines].map((line) => line.split('\t')));
}

/**
 * @param values what a key can be, where that is known: any other would leave an empty list, and nobody would know why
 * @throws RuntimeError USAGE
 */
export function parseFilters(
  texts: readonly string[],
  keys: readonly string[],
  values: Readonly<Partial<Record<string, readonly string[]>>> = {},
): readonly { readonly key: string; readonly value: string }[] {
  return texts.map((text) => {
    const [, key = '', value = ''] = /^([a-z]+)=(.*)$/s.exec(text) ?? [];
    if (!keys.includes(key)) {
      throw new RuntimeError('USAGE', `option --filter is "${text}"`, {
        hint: `write KEY=VALUE; keys: ${keys.join(', ')}`,
      });
    }
    const known = values[key];
    if (known === undefined || known.includes(value)) return { key, value };
    const near = nearest(value, known);
    throw new RuntimeError('USAGE', `option --filter is "${text}", and no ${key} is "${value}"`, {
      hint: near === undefined ? `it can be ${known.join(', ')}` : `did you mean "${near}"?`,
    });
  });
}
