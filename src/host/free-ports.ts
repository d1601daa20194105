import { RuntimeError } from '../base/runtime-error.ts';
import { parseListeningPorts } from '../unikernel/listening-ports.ts';
import type { PortMapping } from '../unikernel/ports.ts';
import { readTextIfThere } from './files.ts';

export interface PortPlace {
  /** Of a process in the network namespace: `/proc/PID/net`. */
  readonly net: string;
  /** Where those ports are listened at that name no address: `0.0.0.0`, or `::` for both families. */
  readonly address: '0.0.0.0' | '::';
  /** What somebody writes before a port, for the hint: `PORT=`. */
  readonly option: string;
}

/**
 * See that nobody listens at ports that are to be the guest's. QEMU would find out, too, but only after the container or the machine is
 * said to run.
 * @throws RuntimeError PORT_TAKEN
 */
export function requireFreePorts(
  ports: readonly PortMapping[],
  { net, address: everywhere, option }: PortPlace,
): void {
  for (const protocol of ['tcp', 'udp'] as const) {
    const wanted = ports.filter((port) => port.protocol === protocol);
    if (wanted.length === 0) continue;
    const text = ['', '6'].map((family) => readTextIfThere(`${net}/${protocol}${family}`) ?? '').join('\n');
    const taken = wanted.find(({ host, address }) =>
      parseListeningPorts(text, address ?? everywhere).has(host),
    );
    if (taken === undefined) continue;
    const suffix = protocol === 'udp' ? '/udp' : '';
    throw new RuntimeError('PORT_TAKEN', `port ${taken.host}/${protocol} is taken by another process`, {
      hint: `choose another with ${option}OUTSIDE:${taken.guest}${suffix}, or end what listens there`,
    });
  }
}
