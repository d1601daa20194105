import type { IdMapping } from './spec.ts';

/** The ids 0 to 2³²−2, each meaning itself: the initial user namespace. */
export const identityMapping: readonly IdMapping[] = [{ containerId: 0, hostId: 0, size: 4294967295 }];

/**
 * Read `/proc/PID/uid_map`.
 * @see user_namespaces(7), "User and group ID mappings"
 */
export function parseIdMap(text: string): readonly IdMapping[] {
  return text
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [containerId = 0, hostId = 0, size = 0] = line.trim().split(/\s+/).map(Number);
      return { containerId, hostId, size };
    });
}

/** Whether a map is the initial user namespace's. */
export function isInitialMap(map: readonly IdMapping[]): boolean {
  return map.length === 1 && map[0]?.containerId === 0 && map[0].hostId === 0 && map[0].size >= 4294967295;
}

/** The id outside of a namespace that an id inside stands for; undefined if it is not mapped. */
export function toHostId(mappings: readonly IdMapping[], containerId: number): number | undefined {
  const mapping = mappings.find(
    (entry) => containerId >= entry.containerId && containerId < entry.containerId + entry.size,
  );
  return mapping === undefined ? undefined : containerId - mapping.containerId + mapping.hostId;
}

export interface IdRange {
  readonly first: number;
  readonly count: number;
}

/**
 * The ids, as the container has them, from which the monitor's user may be taken: the configured range where it is mapped;
 * else the upper half of the largest mapping, far from the ids that images use. A mapping of one id leaves no choice.
 */
export function monitorIdRange(mappings: readonly IdMapping[], configured: IdRange): IdRange {
  const last = configured.first + configured.count - 1;
  if (mappings.some(({ containerId, size }) => configured.first >= containerId && last < containerId + size))
    return configured;
  const largest = mappings.toSorted((a, b) => b.size - a.size)[0] ?? { containerId: 0, hostId: 0, size: 1 };
  const count = Math.max(1, Math.floor(largest.size / 2));
  return { first: largest.containerId + largest.size - count, count };
}
