import { readNeighbours } from '../host/bridge-ports.ts';
import type { BridgeCard } from '../unikernel/network/bridge-plan.ts';
import type { Machine } from './service.ts';

/** A guest can claim as many as it likes, and a list is for people to read. */
const mostSeen = 4;

/**
 * Machines with the addresses that their guests have asked others for, as far as the host has talked to them. Only guests know, and one could
 * claim another's, so they are for people to see and nothing else.
 */
export function withSeenAddresses(machines: readonly Machine[]): readonly Machine[] {
  if (!machines.some((machine) => askingCards(machine).length > 0)) return machines;
  const neighbours = readNeighbours();
  return machines.map((machine) => {
    const seen = askingCards(machine).flatMap(({ bridge, mac }) =>
      neighbours.flatMap((each) => (each.device === bridge && each.mac === mac ? [each.address] : [])),
    );
    return { ...machine, addresses: [...machine.addresses, ...seen.slice(0, mostSeen)] };
  });
}

/** The cards of a machine that runs for which nobody has said an address. */
function askingCards({ pid, settings }: Machine): readonly BridgeCard[] {
  if (pid === undefined || settings?.network.kind !== 'bridge') return [];
  return settings.network.cards.filter(({ ipv4, ipv6 }) => ipv4 === undefined && ipv6 === undefined);
}
