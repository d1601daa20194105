import type { JsonObject } from '../unikernel/spec.ts';

/** What every engine hides from an ordinary container: files of the kernel's that tell of the host, or change it. */
const masked: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  // Beyond what engines hide: root may open these without any capability.
  '/proc/dynamic_debug',
  '/proc/kpagecgroup',
  '/proc/kpagecount',
  '/proc/kpageflags',
];

const readOnly: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
  '/proc/mtrr',
];

/**
 * The paths that are hidden and read-only in the sandbox: the engine's, and the usual ones where it has none, as for `--privileged`. A
 * monitor that runs as root for the sake of volumes has no capabilities, but the kernel asks for none where root owns the file, and
 * what /proc/sys/kernel/core_pattern names is run on the host.
 * @param linux that part of the engine's specification
 * @see opencontainers/runtime-spec v1.2.0 config-linux.md, "Masked Paths"
 */
export function protectedPaths(linux: JsonObject): {
  readonly maskedPaths: readonly unknown[];
  readonly readonlyPaths: readonly unknown[];
} {
  return {
    maskedPaths: union(linux.maskedPaths, masked),
    readonlyPaths: union(linux.readonlyPaths, readOnly),
  };
}

/** The engine's own come first, as it wrote them. */
function union(engines: unknown, ours: readonly string[]): readonly unknown[] {
  const theirs: readonly unknown[] = Array.isArray(engines) ? engines : [];
  return [...theirs, ...ours.filter((path) => !theirs.includes(path))];
}
