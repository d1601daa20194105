/** podman's own timeout of `stop`, as it tells systemd of it; from podman 5.2 on. @see containers/podman libpod/container_internal_common.go */
const timeoutAnnotation = 'org.systemd.property.TimeoutStopUSec';

/** The engine's KILL must not come first: then the guest's own status would be lost. */
const marginMs = 1000;

/**
 * How long a guest may take to end: the configured time, but a second less than the engine waits before it kills, where it says how
 * long that is. An engine that waits a second or less leaves no time to go by.
 */
export function graceWithin(configuredMs: number, annotations: Readonly<Record<string, string>>): number {
  const [, microseconds] = /^uint64 (\d+)$/.exec(annotations[timeoutAnnotation] ?? '') ?? [];
  const timeoutMs = microseconds === undefined ? 0 : Number(microseconds) / 1000;
  return timeoutMs > marginMs ? Math.min(configuredMs, Math.round(timeoutMs - marginMs)) : configuredMs;
}
