import { firstOfNetwork } from '../ipv4.ts';
import type { PortMapping } from '../ports.ts';
import { sandboxPaths } from '../sandbox-paths.ts';
import type { Link, NamespaceFacts } from './facts.ts';
import { cardOf, checkFamilies } from './tap-plan.ts';
import type { NetworkAbilities, NetworkCard, PasstPlan } from './types.ts';

/** Where a guest finds the name server that is inside the container's network namespace; link-local, so nobody else's. */
const nameServerInside = '169.254.1.1';

/** A router of IPv6 that is nobody else's, where the network has none. */
const madeUpIpv6Gateway = 'fe80::1';

export interface PasstRequest {
  readonly facts: NamespaceFacts;
  /** Those that a guest can have. */
  readonly links: readonly Link[];
  readonly ports: readonly PortMapping[];
  readonly nameServers: readonly string[];
  readonly guest: string;
  readonly abilities: NetworkAbilities;
}

/**
 * One card, with the addresses of the interface that the default route leaves by, or else of the first. The others are reached through
 * it, since passt connects as any program in the namespace does.
 *
 * passt answers for every address, so the guest always has a gateway: also one to what only the namespace has a route to.
 * @returns undefined if no interface has an address
 * @throws RuntimeError NETWORK_UNSUPPORTED for a network of IPv6 alone whose guest has no IPv6
 */
export function planPasst(request: PasstRequest): PasstPlan | undefined {
  const { facts, links, ports } = request;
  const link = mainLink(links, facts);
  if (link === undefined) return undefined;
  checkFamilies([link], request);
  const own = cardOf(link, facts);
  const card: NetworkCard = {
    ...own,
    ipv4Gateway: own.ipv4Gateway ?? (own.ipv4 === undefined ? undefined : firstOfNetwork(own.ipv4)),
    ipv6Gateway: own.ipv6Gateway ?? (own.ipv6 === undefined ? undefined : madeUpIpv6Gateway),
    // passt forwards to one address of each family.
    moreAddresses: [],
    routes: [],
  };
  const others = links
    .filter((other) => other !== link && other.ipv4.length + other.ipv6.length > 0)
    .map(({ name }) => name);
  const hasOneInside = request.nameServers.some(isInside) && card.ipv4 !== undefined;
  return {
    kind: 'passt',
    guest: {
      cards: [card],
      nameServers: [
        ...(hasOneInside ? [nameServerInside] : []),
        ...request.nameServers.filter((address) => !isInside(address)),
      ],
    },
    link: link.name,
    mtu: link.mtu,
    ports,
    socket: sandboxPaths.passtSocket,
    nameServerInside: hasOneInside ? nameServerInside : undefined,
    notes: [
      ...(others.length === 0
        ? []
        : [`one card for ${link.name}, through which ${others.join(', ')} can be reached as well`]),
    ],
  };
}

/** Whether a name server listens inside the container's network namespace, as docker's does. */
function isInside(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function mainLink(links: readonly Link[], { routes }: NamespaceFacts): Link | undefined {
  const candidates = links.filter(({ ipv4, ipv6 }) => ipv4.length + ipv6.length > 0);
  const [best] = routes
    .filter(({ prefixLength, gateway }) => prefixLength === 0 && gateway !== undefined)
    .toSorted((a, b) => a.metric - b.metric);
  return candidates.find(({ name }) => name === best?.device) ?? candidates[0];
}
