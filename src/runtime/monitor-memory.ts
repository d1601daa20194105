import { sandboxMemoryLimit } from '../unikernel/machine.ts';
import type { JsonObject } from '../unikernel/spec.ts';

/**
 * An engine's resources with the monitor's own memory on top of the guest's, in the limit with swap too. What is no limit stays
 * so: none, 0, -1, and what is more than a number can hold.
 * @returns the same object if it limits no memory
 */
export function withMonitorMemory(resources: JsonObject, overheadMiB: number): JsonObject {
  const { memory } = resources;
  if (typeof memory !== 'object' || memory === null) return resources;
  const raised = Object.entries(memory).flatMap(([key, value]) =>
    (key === 'limit' || key === 'swap') && typeof value === 'number' && value > 0
      ? [[key, sandboxMemoryLimit(value, overheadMiB)]]
      : [],
  );
  return raised.length === 0
    ? resources
    : { ...resources, memory: { ...memory, ...Object.fromEntries(raised) } };
}
