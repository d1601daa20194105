import { assertNever } from '../base/assert-never.ts';
import { type HealthProbe, probeProgram } from './health-probe.ts';
import { guestAddress } from './network/plan.ts';
import type { NetworkPlan } from './network/types.ts';

/** What the process that stands for a health check has to do; all that it needs to know. */
export type ProbeOrder =
  | GuestProbe
  | { readonly kind: 'say'; readonly line: string; readonly status: number };

/** A question to the guest. */
export type GuestProbe = TcpProbe | HttpProbe;

export interface TcpProbe extends ProbeTarget {
  readonly kind: 'tcp';
  /** What takes every connection before the guest does. QEMU can be asked whether the guest did, too; passt ends those that it refused. */
  readonly behind: 'user' | 'passt' | undefined;
}

export interface HttpProbe extends ProbeTarget {
  readonly kind: 'http';
  readonly path: string;
}

interface ProbeTarget {
  readonly address: string;
  readonly port: number;
  /** The port as the guest knows it. */
  readonly guestPort: number;
  readonly timeoutMs: number;
  readonly init: SandboxInit;
}

/** The sandbox's first process: when it is gone, its guest's address may be another's. */
export interface SandboxInit {
  readonly pid: number;
  readonly startTime: string;
}

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
  readonly init: SandboxInit;
}

/**
 * How to ask the guest. QEMU's user stack and passt listen in the container's network namespace; a guest behind a tap has the container's
 * address, at which only others reach it.
 */
export function planProbe({ probe, network, isRootless, init }: ProbeRequest): PlannedProbe {
  const { port: guestPort, timeoutMs } = probe;
  const orderTo = (address: string, port: number): ProbeOrder => {
    const target = { address, port, guestPort, timeoutMs, init };
    return probe.kind === 'tcp'
      ? {
          kind: 'tcp',
          ...target,
          behind: network.kind === 'user' || network.kind === 'passt' ? network.kind : undefined,
        }
      : { kind: 'http', ...target, path: probe.path };
  };
  switch (network.kind) {
    case 'none':
      return failing('the guest has no network');
    case 'passt':
    case 'user': {
      const mapping = network.ports.find(({ guest, protocol }) => guest === guestPort && protocol === 'tcp');
      return mapping === undefined
        ? failing(`the guest's port ${guestPort}/tcp is not one of those in PORT, which are offered`)
        : { order: orderTo('127.0.0.1', mapping.host), isInside: true };
    }
    case 'tap': {
      const address = guestAddress(network);
      if (address === undefined) return failing('the guest has no address');
      if (isRootless)
        return failing(
          'a guest behind a tap is out of reach of a rootless ucrun; network.mode "user" is not',
        );
      return { order: orderTo(address, guestPort), isInside: false };
    }
    default:
      return assertNever(network);
  }
}

/** A guest that nobody can ask is unhealthy. */
function failing(message: string): PlannedProbe {
  return { order: { kind: 'say', line: `${probeProgram}: ${message}`, status: 1 }, isInside: false };
}
