import { RuntimeError } from '../../base/runtime-error.ts';
import type { PortMapping } from '../ports.ts';
import type { Link, NamespaceFacts, Route } from './facts.ts';
import { isInNetwork, isIpv6 } from './ip-address.ts';
import {
  type IpAddress,
  mostCards,
  type NetworkAbilities,
  type NetworkCard,
  type StaticRoute,
  type TapPlan,
} from './types.ts';

/** Every tap of ours begins so. tap0 belongs to slirp4netns. */
const tapPrefix = 'uctap';

/** More would not make it faster: a queue takes a processor of the host's, too. */
const mostQueues = 8;

export function isOurTap({ name }: Link): boolean {
  return name.startsWith(tapPrefix);
}

export interface TapRequest {
  readonly links: readonly Link[];
  readonly facts: NamespaceFacts;
  readonly nameServers: readonly string[];
  readonly ports: readonly PortMapping[];
  /** The guest's type, as messages name it. */
  readonly guest: string;
  readonly abilities: NetworkAbilities;
  readonly cpus: number;
  readonly hasVhost: boolean;
}

/**
 * A tap beside each of the container's interfaces, as far as the guest can have them.
 * @throws RuntimeError NETWORK_UNSUPPORTED for more interfaces than any guest may have, and for a network of IPv6 alone whose
 * guest has no IPv6
 */
export function planTaps(request: TapRequest): TapPlan {
  const { links, facts, guest, abilities, cpus, hasVhost } = request;
  if (links.length > mostCards) {
    throw new RuntimeError(
      'NETWORK_UNSUPPORTED',
      `the container has ${links.length} network interfaces, and a guest can have ${mostCards}`,
      { hint: 'attach the container to fewer networks, or set the network mode to "user"' },
    );
  }
  const given = links.slice(0, abilities.cards);
  checkFamilies(given, request);
  const leftOut = links.slice(abilities.cards).map(({ name }) => name);
  return {
    kind: 'tap',
    guest: { cards: given.map((link) => cardOf(link, facts)), nameServers: request.nameServers },
    taps: given.map((link, index) => ({
      link: link.name,
      tap: `${tapPrefix}${index}`,
      mtu: link.mtu,
      queues: queuesFor(abilities, cpus),
      vhost: hasVhost,
    })),
    leftOut,
    notes: [
      ...(leftOut.length === 0
        ? []
        : [
            `${leftOut.join(', ')} left out, as a guest of type "${guest}" has ${cardCount(abilities.cards)}`,
          ]),
      ...portNotes(request.ports),
      ...(facts.hasRules ? ["routing rules left out: the guest has the main table's routes"] : []),
    ],
  };
}

/** Nobody passes on what comes to a port: those that a guest serves are all there are. */
function portNotes(ports: readonly PortMapping[]): readonly string[] {
  return ports
    .filter(({ host, guest }) => host !== guest)
    .map(
      ({ host, guest, protocol }) =>
        `port ${host}/${protocol} leads nowhere, as on a tap the guest is reached at its own, ${guest}/${protocol}`,
    );
}

/** How many pairs of queues a guest's cards have. */
export function queuesFor({ multiqueue }: NetworkAbilities, cpus: number): number {
  return multiqueue ? Math.min(cpus, mostQueues) : 1;
}

function cardCount(count: number): string {
  return count === 1 ? 'one card' : `${count} cards`;
}

/** @throws RuntimeError NETWORK_UNSUPPORTED for a network of IPv6 alone whose guest has no IPv6 */
export function checkFamilies(
  links: readonly Link[],
  { guest, abilities }: Pick<TapRequest, 'guest' | 'abilities'>,
): void {
  const hasIpv6Alone =
    links.every(({ ipv4 }) => ipv4.length === 0) && links.some(({ ipv6 }) => ipv6.length > 0);
  if (abilities.ipv6 || !hasIpv6Alone) return;
  throw new RuntimeError(
    'NETWORK_UNSUPPORTED',
    `the container's network has IPv6 alone, and a guest of type "${guest}" has no IPv6`,
    { hint: 'give the network an IPv4 subnet as well, or set the network mode to "none"' },
  );
}

/** What the guest is told of the card that stands for an interface. */
export function cardOf(link: Link, facts: NamespaceFacts): NetworkCard {
  const [ipv4, ...moreIpv4] = link.ipv4;
  const [ipv6, ...moreIpv6] = link.ipv6;
  const own = facts.routes.filter(({ device }) => device === link.name);
  const ipv4Default = defaultRoute(own, facts, false);
  const ipv6Default = defaultRoute(own, facts, true);
  const networks = [...link.ipv4, ...link.ipv6];
  return {
    mac: link.mac,
    ipv4,
    ipv4Gateway: ipv4Default?.gateway,
    ipv6,
    ipv6Gateway: ipv6Default?.gateway,
    moreAddresses: [...moreIpv4, ...moreIpv6],
    routes: own
      .filter((route) => route !== ipv4Default && route !== ipv6Default && !isToOwn(route, networks))
      .map(({ device: _device, ...route }): StaticRoute => route),
    mtu: link.mtu,
  };
}

/**
 * The card's default route with a gateway, if no other card has a better one: a guest that is told of two takes whichever it likes.
 * Of equal ones the first counts.
 */
function defaultRoute(own: readonly Route[], { routes }: NamespaceFacts, ofIpv6: boolean): Route | undefined {
  const isDefault = ({ destination, prefixLength, gateway }: Route) =>
    prefixLength === 0 && gateway !== undefined && isIpv6(destination) === ofIpv6;
  const best = Math.min(...routes.filter(isDefault).map(({ metric }) => metric));
  return own.find((route) => isDefault(route) && route.metric === best);
}

/** An address brings the route to its network by itself. */
function isToOwn({ destination, prefixLength, gateway }: Route, networks: readonly IpAddress[]): boolean {
  return (
    gateway === undefined &&
    networks.some((network) => network.prefixLength === prefixLength && isInNetwork(network, destination))
  );
}
