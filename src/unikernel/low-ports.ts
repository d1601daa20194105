import { RuntimeError } from '../base/runtime-error.ts';
import type { NetworkMode } from './network/types.ts';
import type { PortMapping } from './ports.ts';

/**
 * The first port of a network namespace at which a program without capabilities, such as the monitor, may listen.
 * @see Linux Documentation/networking/ip-sysctl.rst
 */
export const portStartSysctl = 'net.ipv4.ip_unprivileged_port_start';

/** Its value in every new namespace. */
export const defaultPortStart = 1024;

export interface LowPortRequest {
  readonly mode: NetworkMode;
  readonly isHostNetwork: boolean;
  readonly isShared: boolean;
  readonly isRootless: boolean;
  readonly hasTun: boolean;
  /** Whether the guest is told its address, as it is where nobody says. */
  readonly isToldAddress?: boolean | undefined;
  readonly ports: readonly PortMapping[];
  /** The engine's own value for the container. */
  readonly engineStart: string | undefined;
  /** The value in a namespace that is not the container's own; only asked where it matters. */
  readonly sharedStart: () => number;
}

/**
 * What {@link portStartSysctl} has to be in a container whose ports are QEMU's to listen at.
 * @returns undefined where it can stay as it is
 * @throws RuntimeError PORT_INVALID for a port below it in a namespace where a change would be others', or against the engine's word
 */
export function planPortStart(request: LowPortRequest): number | undefined {
  const [lowest] = request.ports.toSorted((a, b) => a.host - b.host);
  if (lowest === undefined || lowest.host >= defaultPortStart || !listensItself(request)) return undefined;
  const { engineStart, sharedStart } = request;
  const isOthers = request.isHostNetwork || request.isShared;
  if (engineStart === undefined && !isOthers) return lowest.host;
  const start = engineStart === undefined ? sharedStart() : Number(engineStart);
  if (lowest.host < start) throw tooLow(lowest, start, placeOf(request));
  return undefined;
}

/** Known before the namespace is there, as the one case that depends on what is in it is that of a tap that another unikernel has. */
function listensItself(request: LowPortRequest): boolean {
  const { mode, isHostNetwork, isShared, isRootless, hasTun, isToldAddress } = request;
  return (
    mode === 'user' ||
    mode === 'passt' ||
    (mode === 'auto' && (isHostNetwork || isShared || isRootless || !hasTun || isToldAddress === false))
  );
}

function placeOf({ engineStart, isHostNetwork }: LowPortRequest): string {
  if (engineStart !== undefined) return 'for the container';
  return isHostNetwork ? 'on the host' : 'for the pod or container whose network it joins';
}

function tooLow({ host, guest, protocol }: PortMapping, start: number, place: string): RuntimeError {
  const suffix = protocol === 'udp' ? '/udp' : '';
  return new RuntimeError(
    'PORT_INVALID',
    `port ${host}/${protocol} is too low: QEMU, as an ordinary user, may listen from port ${start} on`,
    {
      hint: `offer it at another with PORT=${8000 + host}:${guest}${suffix}, or set the sysctl ${portStartSysctl}=${host} ${place}`,
    },
  );
}
