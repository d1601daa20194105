/**
 * The ways of joining a guest to its network, beside the same machine under a QEMU of its own on a tap, and beside a plain container with
 * the same server. In each round all of them take turns; ratios are of neighbours, to the bare QEMU.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type Metric, metricsOf, type Server } from './network-load.ts';
import { bareGuest, guestSide, plainSide, prepareSides, type Side, ways } from './network-sides.ts';
import { fail } from './run.ts';
import { type Spread, show, spread } from './spread.ts';

export interface NetworkRequest {
  readonly rounds: number;
  readonly ucrun: string;
  /** The directory of named unikernels. */
  readonly registry: string;
  readonly scratch: string;
  readonly trackerImage: string;
}

/** One thing that was measured of all sides. */
export interface NetworkResult {
  readonly name: string;
  readonly unit: string;
  readonly sides: readonly SideResult[];
}

interface SideResult {
  readonly label: string;
  readonly value: Spread;
  /** To the bare QEMU in the same round; undefined if that was not measured. */
  readonly ratio: Spread | undefined;
  /** One a round. A side that ended under the load has null. */
  readonly samples: readonly (number | null)[];
}

/** How many ended connections the test environment's own network keeps. @see Linux Documentation/networking/ip-sysctl.rst */
const endedConnections = '/proc/sys/net/ipv4/tcp_max_tw_buckets';

const bareLabel = 'bare QEMU, tap';

/** @returns nothing for no rounds */
export async function measureNetworks(request: NetworkRequest): Promise<readonly NetworkResult[]> {
  if (request.rounds === 0) return [];
  if (!existsSync('/usr/bin/wrk')) fail('wrk is not installed: run hack/setup.sh');
  const places = prepareSides(request);
  const kept = readFileSync(endedConnections, 'utf8');
  // The load comes from one address, where a real one would come from many: it runs out of ports when connections that have ended hold them,
  // and looks for free ones longer and longer.
  writeFileSync(endedConnections, '0\n');
  const results: NetworkResult[] = [];
  for (const server of ['hello', 'httpd'] as const) {
    const sides = new Map<string, Side>(
      ways().map((way) => [`ucrun, ${way}`, guestSide(places, server, way)] as const),
    );
    sides.set(bareLabel, bareGuest(places, server));
    if (server === 'httpd') sides.set('plain container', plainSide(places));
    try {
      results.push(...(await measureSides(server, sides, request.rounds)));
    } finally {
      for (const side of sides.values()) side.stop();
    }
  }
  writeFileSync(endedConnections, kept);
  return results;
}

async function measureSides(
  server: Server,
  sides: ReadonlyMap<string, Side>,
  rounds: number,
): Promise<readonly NetworkResult[]> {
  const metrics = metricsOf(server);
  const samples = new Map<Metric, Map<string, (number | null)[]>>(
    metrics.map((metric) => [metric, new Map([...sides.keys()].map((label) => [label, []]))]),
  );
  for (const side of sides.values()) await side.ready();
  // The first round warms caches and is not counted.
  for (let round = 0; round <= rounds; round++) {
    for (const [label, side] of sides) {
      for (const { measure, metrics: measured } of groupsOf(metrics)) {
        const values = await measure(side.address());
        // A side that ends under the load is started anew, and has no value in this round.
        const hasEnded = !side.isAlive();
        if (hasEnded) await side.ready();
        if (round > 0)
          for (const metric of measured)
            samples
              .get(metric)
              ?.get(label)
              ?.push(hasEnded ? null : (values[metric.key] ?? null));
      }
    }
  }
  return metrics.map((metric) => {
    const bySide = samples.get(metric) ?? new Map();
    const bare: readonly (number | null)[] = bySide.get(bareLabel) ?? [];
    return {
      name: metric.name,
      unit: metric.unit,
      sides: [...bySide].map(([label, values]: [string, (number | null)[]]) => {
        const ratios = values.flatMap((value, round) => {
          const base = bare[round];
          return value === null || base === null || base === undefined ? [] : [value / base];
        });
        const known = values.filter((value) => value !== null);
        return {
          label,
          value: spread(known),
          ratio: ratios.length === 0 ? undefined : spread(ratios),
          samples: values,
        };
      }),
    };
  });
}

/** The metrics that one run of a program gives together. */
function groupsOf(metrics: readonly Metric[]) {
  const groups = new Map<Metric['measure'], Metric[]>();
  for (const metric of metrics) groups.set(metric.measure, [...(groups.get(metric.measure) ?? []), metric]);
  return [...groups].map(([measure, together]) => ({ measure, metrics: together }));
}

/** The results as a table for people. */
export function networkLines(results: readonly NetworkResult[]): readonly string[] {
  return results.flatMap(({ name, unit, sides }) => [
    '',
    `${name}, ${unit}`,
    ...sides.map(({ label, value, ratio, samples }) => {
      const ended = samples.filter((sample) => sample === null).length;
      const note = ended === 0 ? '' : `, ended under the load ${ended} times`;
      const shown = ratio === undefined ? '' : `   ${show(ratio, 2).trim()} of bare QEMU`;
      return `  ${label.padEnd(20)} ${show(value, value.median < 10 ? 2 : 0)}${shown}${note}`;
    }),
  ]);
}
