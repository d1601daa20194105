/** What a set of samples comes to. */
export interface Spread {
  readonly lowerQuartile: number;
  readonly median: number;
  readonly upperQuartile: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    lowerQuartile: quantile(sorted, 0.25),
    median: quantile(sorted, 0.5),
    upperQuartile: quantile(sorted, 0.75),
  };
}

/** Between two samples, in proportion. */
function quantile(sorted: readonly number[], fraction: number): number {
  const position = (sorted.length - 1) * fraction;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/** The median with its quartiles, for a table. */
export function show({ lowerQuartile, median, upperQuartile }: Spread, digits: number): string {
  const [low, middle, high] = [lowerQuartile, median, upperQuartile].map((value) =>
    value.toFixed(digits).padStart(7),
  );
  return `${middle}  (${low?.trim()} – ${high?.trim()})`;
}
