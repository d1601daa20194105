/** A table as people read it: columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

const ages = [
  [365 * 24 * 3600, 'year'],
  [30 * 24 * 3600, 'month'],
  [7 * 24 * 3600, 'week'],
  [24 * 3600, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
] as const;

/** How long ago something was, in one unit: `3 days ago`. */
export function ageText(ageMs: number): string {
  const seconds = Math.max(1, Math.floor(ageMs / 1000));
  const [unitSeconds, unit] = ages.find(([size]) => seconds >= size) ?? ages[6];
  const count = Math.floor(seconds / unitSeconds);
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
}
