import { assertNever } from '../base/assert-never.ts';
import { type HealthProbe, probeProgram } from './health-probe.ts';
import { guestAddress, type NetworkPlan } from './network-plan.ts';

/** What the process that stands for a health check has to do; all that it needs to know. */
export type ProbeOrder =
  | {
      readonly kind: 'tcp';
      readonly address: string;
      readonly port: number;
      /** QEMU's user stack takes every connection, so QEMU is asked whether the guest did, too. */
      readonly behindUserStack: { readonly pid: number; readonly guestPort: number } | undefined;
      readonly timeoutMs: number;
    }
  | {
      readonly kind: 'http';
      readonly address: string;
      readonly port: number;
      /** What the guest finds in the header Host. */
      readonly host: string;
      readonly path: string;
      readonly timeoutMs: number;
    }
  | { readonly kind: 'say'; readonly line: string; readonly status: number };

/** Where a probe has to be carried out. */
export interface PlannedProbe {
  readonly order: ProbeOrder;
  readonly isInside: boolean;
}

export interface ProbeRequest {
  readonly probe: HealthProbe;
  /** What the network became at start. */
  readonly network: NetworkPlan;
  /** In a user namespace ucrun has no network in which it could reach a tap's guest. */
  readonly isRootless: boolean;
  /** The sandbox's first process. */
  readonly pid: number;
}

/**
 * How to ask the guest. QEMU's user stack listens in the container's network namespace; a guest behind a tap has the container's
 * address, at which only others reach it.
 */
export function planProbe({ probe, network, isRootless, pid }: ProbeRequest): PlannedProbe {
  switch (network.kind) {
    case 'none':
      return failing('the guest has no network');
    case 'user': {
      const mapping = network.ports.find(({ guest, protocol }) => guest === probe.port && protocol === 'tcp');
      if (mapping === undefined)
        return failing(`the guest's port ${probe.port}/tcp is not one of those in PORT, which are offered`);
      return {
        order: orderFor(probe, '127.0.0.1', mapping.host, { pid, guestPort: probe.port }),
        isInside: true,
      };
    }
    case 'tap': {
      const address = guestAddress(network);
      if (address === undefined) return failing('the guest has no address');
      if (isRootless)
        return failing(
          'a guest behind a tap is out of reach of a rootless ucrun; network.mode "user" is not',
        );
      return { order: orderFor(probe, address, probe.port, undefined), isInside: false };
    }
    default:
      return assertNever(network);
  }
}

function orderFor(
  probe: HealthProbe,
  address: string,
  port: number,
  behindUserStack: Extract<ProbeOrder, { kind: 'tcp' }>['behindUserStack'],
): ProbeOrder {
  const { timeoutMs } = probe;
  return probe.kind === 'tcp'
    ? { kind: 'tcp', address, port, behindUserStack, timeoutMs }
    : { kind: 'http', address, port, host: `localhost:${probe.port}`, path: probe.path, timeoutMs };
}

/** A guest that nobody can ask is unhealthy. */
function failing(message: string): PlannedProbe {
  return { order: { kind: 'say', line: `${probeProgram}: ${message}`, status: 1 }, isInside: false };
}
