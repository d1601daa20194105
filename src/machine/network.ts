import { RuntimeError } from '../base/runtime-error.ts';
import type { NetworkPlan } from '../unikernel/network/types.ts';
import { planUser } from '../unikernel/network/user-plan.ts';
import type { PortMapping } from '../unikernel/ports.ts';
import type { MachineNetwork } from './record.ts';

/**
 * How a machine's guest is joined to the network.
 * @throws RuntimeError NETWORK_UNSUPPORTED
 */
export function planMachineNetwork(network: MachineNetwork, ports: readonly PortMapping[]): NetworkPlan {
  switch (network.kind) {
    case 'none':
      return { kind: 'none', notes: [] };
    case 'user':
      return planUser(undefined, ports, []);
    default:
      throw new RuntimeError('NETWORK_UNSUPPORTED', `network "${network.kind}" is not there for machines`, {
        hint: 'use "user" or "none"',
      });
  }
}
