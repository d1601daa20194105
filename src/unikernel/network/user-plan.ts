import type { PortMapping } from '../ports.ts';
import type { NamespaceFacts } from './facts.ts';
import { isIpv6 } from './ip-address.ts';
import type { NetworkCard, UserPlan } from './types.ts';

/**
 * QEMU's user stack has a /24 of its own, in which these are its addresses and the guest's. It is 10.0.2.0 unless the container's
 * network has that, as slirp4netns' has: a guest sends answers for its own subnet to nobody outside. The same goes for its /64.
 * @see qemu(1), "-netdev user"
 */
const userPrefixes = ['10.0.2.', '10.0.3.', '10.0.4.', '10.0.5.', '10.0.6.'] as const;
const userIpv6Prefixes = ['fec0::', 'fec0:0:0:1::'] as const;
const userHosts = { gateway: 2, nameServer: 3, guest: 15 } as const;
const userMac = '02:75:63:00:00:01';

/** What the stack can pass on of the namespace that it is in. */
export interface UserSurroundings {
  /** Whether the namespace has an IPv6 address that is not for itself or its links alone. */
  readonly hasIpv6: boolean;
  /** Those that the stack asks in the guest's place; it knows one of each family. */
  readonly nameServers: readonly string[];
}

/** @param notes why the guest is behind this stack, where one would expect a tap */
export function planUser(
  facts: NamespaceFacts | undefined,
  ports: readonly PortMapping[],
  notes: readonly string[],
  { hasIpv6, nameServers }: UserSurroundings = { hasIpv6: false, nameServers: [] },
): UserPlan {
  const taken = (facts?.links ?? []).flatMap(({ ipv4, ipv6 }) =>
    [...ipv4, ...ipv6].map(({ address }) => address),
  );
  const prefix = freePrefix(userPrefixes, taken);
  const ipv6Prefix = hasIpv6 ? freePrefix(userIpv6Prefixes, taken) : undefined;
  const card: NetworkCard = {
    mac: userMac,
    ipv4: { address: `${prefix}${userHosts.guest}`, prefixLength: 24 },
    ipv4Gateway: `${prefix}${userHosts.gateway}`,
    ipv6:
      ipv6Prefix === undefined ? undefined : { address: `${ipv6Prefix}${userHosts.guest}`, prefixLength: 64 },
    ipv6Gateway: ipv6Prefix === undefined ? undefined : `${ipv6Prefix}${userHosts.gateway}`,
    moreAddresses: [],
    routes: [],
    mtu: undefined,
  };
  const asksOverIpv6 = ipv6Prefix !== undefined && nameServers.some(isIpv6);
  const asksOverIpv4 = !asksOverIpv6 || nameServers.some((server) => !isIpv6(server));
  return {
    kind: 'user',
    guest: {
      cards: [card],
      nameServers: [
        ...(asksOverIpv4 ? [`${prefix}${userHosts.nameServer}`] : []),
        ...(asksOverIpv6 ? [`${ipv6Prefix}${userHosts.nameServer}`] : []),
      ],
    },
    ports,
    subnet: `${prefix}0/24`,
    ipv6Subnet: ipv6Prefix === undefined ? undefined : `${ipv6Prefix}/64`,
    notes,
  };
}

function freePrefix<T extends string>(prefixes: readonly [T, ...T[]], taken: readonly string[]): T {
  const found = prefixes.find((prefix) => !taken.some((address) => address.startsWith(prefix)));
  return found ?? prefixes[0];
}
