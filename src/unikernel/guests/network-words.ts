import type { GuestNetwork, NetworkCard } from '../network/types.ts';
import type { GuestKind } from './guest.ts';
import { checkCount } from './refusal.ts';

/** The name servers that a guest without IPv6 can ask. */
export function ipv4NameServers(network: GuestNetwork): readonly string[] {
  return network.nameServers.filter((server) => /^[\d.]+$/.test(server));
}

/**
 * The card of a guest that has a single one; undefined if it has none.
 * @throws RuntimeError GUEST_UNSUPPORTED
 */
export function onlyCard(network: GuestNetwork | undefined, guest: GuestKind): NetworkCard | undefined {
  checkCount(network?.cards.length ?? 0, guest, 1, 'network cards');
  return network?.cards[0];
}

/** A host name that needs no quoting anywhere; undefined if it is none. */
export function plainHostname(hostname: string | undefined): string | undefined {
  return hostname !== undefined && /^[A-Za-z0-9._-]{1,64}$/.test(hostname) ? hostname : undefined;
}
