import { parseSignal, type SignalMeaning, signalMeaning } from '../unikernel/signals.ts';

/**
 * Under this annotation engines tell a container's stop signal, be it its image's or the user's choice. docker does not.
 * @see opencontainers/image-spec v1.1.0 conversion.md, "Annotation Fields"
 */
const stopSignalAnnotation = 'org.opencontainers.image.stopSignal';

/** What a signal means to a container: what the guest cannot hear may still be the signal that its engine stops it with. */
export function meaningIn(annotations: Readonly<Record<string, string>>, signal: number): SignalMeaning {
  const usual = signalMeaning(signal);
  if (usual !== 'ignored') return usual;
  const stopSignal = annotations[stopSignalAnnotation];
  return stopSignal !== undefined && parseSignal(stopSignal) === signal ? 'power-button' : usual;
}

/** crun makes it the property of the scope. podman has it say the container's stop signal. @see containers/crun crun.1.md; systemd.kill(5) */
const killSignalAnnotation = 'org.systemd.property.KillSignal';

/**
 * What makes systemd stop the scope of a unikernel by PWR, which only the launch script answers. What systemd would send otherwise it sends
 * to QEMU, too, which would end at once. Another signal than those to stop with is somebody's choice, and stays. Pure.
 * @see src/unikernel/launch-script.ts
 */
export function scopeStopAnnotation(
  annotations: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const chosen = annotations[killSignalAnnotation];
  const signal = chosen === undefined ? undefined : parseSignal(chosen.replace(/^int32 /, ''));
  const isStop = signal !== undefined && meaningIn(annotations, signal) === 'power-button';
  return chosen === undefined || isStop ? { [killSignalAnnotation]: `${parseSignal('PWR')}` } : {};
}
