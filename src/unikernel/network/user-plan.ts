import type { PortMapping } from '../ports.ts';
import type { NamespaceFacts } from './facts.ts';
import type { NetworkCard, UserPlan } from './types.ts';

/**
 * QEMU's user stack has a /24 of its own, in which these are its addresses and the guest's. It is 10.0.2.0 unless the container's
 * network has that, as slirp4netns' has: a guest sends answers for its own subnet to nobody outside.
 * @see qemu(1), "-netdev user"
 */
const userPrefixes: readonly string[] = ['10.0.2', '10.0.3', '10.0.4', '10.0.5', '10.0.6'];
const userHosts = { gateway: 2, nameServer: 3, guest: 15 } as const;
const userMac = '02:75:63:00:00:01';

/** @param notes why the guest is behind this stack, where one would expect a tap */
export function planUser(
  facts: NamespaceFacts | undefined,
  ports: readonly PortMapping[],
  notes: readonly string[],
): UserPlan {
  const taken = (facts?.links ?? []).flatMap(({ ipv4 }) => ipv4.map(({ address }) => address));
  const prefix = userPrefixes.find(
    (candidate) => !taken.some((address) => address.startsWith(`${candidate}.`)),
  );
  const address = (host: number) => `${prefix ?? userPrefixes[0]}.${host}`;
  const card: NetworkCard = {
    mac: userMac,
    ipv4: { address: address(userHosts.guest), prefixLength: 24 },
    ipv4Gateway: address(userHosts.gateway),
    ipv6: undefined,
    ipv6Gateway: undefined,
    moreAddresses: [],
    routes: [],
    mtu: undefined,
  };
  return {
    kind: 'user',
    guest: { cards: [card], nameServers: [address(userHosts.nameServer)] },
    ports,
    subnet: `${address(0)}/24`,
    notes,
  };
}
