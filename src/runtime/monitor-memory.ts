import { raisedLimit } from '../unikernel/memory-plan.ts';
import type { JsonObject } from '../unikernel/spec.ts';

/**
 * An engine's resources with memory for the monitor added, to the limit with swap too. What is no limit stays
 * so: none, 0, -1, and what is more than a number can hold.
 * @returns the same object if it limits no memory
 */
export function withMonitorMemory(resources: JsonObject, addedMiB: number): JsonObject {
  const { memory } = resources;
  if (typeof memory !== 'object' || memory === null || addedMiB === 0) return resources;
  const raised = Object.entries(memory).flatMap(([key, value]) =>
    (key === 'limit' || key === 'swap') && typeof value === 'number' && value > 0
      ? [[key, raisedLimit(value, addedMiB)]]
      : [],
  );
  return raised.length === 0
    ? resources
    : { ...resources, memory: { ...memory, ...Object.fromEntries(raised) } };
}
