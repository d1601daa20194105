import { RuntimeError } from '../base/runtime-error.ts';
import { type NetworkPlan, planNetwork } from '../unikernel/network-plan.ts';
import type { PortMapping } from '../unikernel/ports.ts';
import type { MachineNetwork } from './record.ts';

/**
 * How a machine's guest is joined to the network.
 * @throws RuntimeError NETWORK_UNSUPPORTED
 */
export function planMachineNetwork(network: MachineNetwork, ports: readonly PortMapping[]): NetworkPlan {
  switch (network.kind) {
    case 'none':
    case 'user':
      return planNetwork({
        mode: network.kind,
        facts: undefined,
        isShared: false,
        isRootless: true,
        hasTun: false,
        ports,
        nameServers: [],
      });
    default:
      throw new RuntimeError('NETWORK_UNSUPPORTED', `network "${network.kind}" is not there for machines`, {
        hint: 'use "user" or "none"',
      });
  }
}
