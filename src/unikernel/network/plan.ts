import { RuntimeError } from '../../base/runtime-error.ts';
import type { PortMapping } from '../ports.ts';
import type { Link, NamespaceFacts } from './facts.ts';
import { planPasst } from './passt-plan.ts';
import { isOurTap, planTaps } from './tap-plan.ts';
import type { NetworkAbilities, NetworkMode, NetworkPlan } from './types.ts';
import { planUser } from './user-plan.ts';

export interface NetworkRequest {
  readonly mode: NetworkMode;
  /** undefined: the container shares the host's network, whose interfaces are not ours to touch. */
  readonly facts: NamespaceFacts | undefined;
  /** Other containers are in the same network namespace, and a tap would take everything that arrives there. */
  readonly isShared: boolean;
  /** Inside a user namespace an engine's port forwarder connects from within the network namespace, past a tap. */
  readonly isRootless: boolean;
  readonly hasTun: boolean;
  /** Whether the namespace has a global IPv6 address. */
  readonly hasIpv6: boolean;
  /** Whether the host's kernel can carry the frames of a tap by itself. */
  readonly hasVhost: boolean;
  readonly ports: readonly PortMapping[];
  /** Else it has to ask DHCP, which nobody on a container's network answers. */
  readonly isToldAddress: boolean;
  /** Those of the container's resolv.conf. */
  readonly nameServers: readonly string[];
  /** The guest's type, as messages name it. */
  readonly guest: string;
  readonly abilities: NetworkAbilities;
  readonly cpus: number;
}

/**
 * Choose how the guest gets its network.
 * @throws RuntimeError NETWORK_UNSUPPORTED if the configured way is impossible here
 */
export function planNetwork(request: NetworkRequest): NetworkPlan {
  const { mode, facts, ports } = request;
  if (mode === 'none') return { kind: 'none', notes: [] };
  if (facts === undefined) {
    if (mode === 'tap' || mode === 'passt') throw impossible(mode, "the container shares the host's network");
    return planUser(facts, ports, [], request);
  }
  const links = guestLinks(facts);
  if (links.length === 0) return { kind: 'none', notes: [] };
  if (mode === 'passt') return planPasst({ ...request, links, facts }) ?? { kind: 'none', notes: [] };
  if (mode === 'user') return planUser(facts, ports, [], request);
  const obstacle = obstacleToTap(request, facts, links);
  if (mode === 'tap') {
    if (obstacle !== undefined) throw impossible(mode, obstacle);
    return planTaps({ ...request, links, facts });
  }
  if (request.isRootless) return planUser(facts, ports, [], request);
  const reason = obstacle ?? reasonAgainstTap(request, links);
  if (reason !== undefined) return planUser(facts, ports, [`user stack, as ${reason}`], request);
  return planTaps({ ...request, links, facts });
}

/** By their names, as engines call the first network's interface eth0, whatever number the kernel gives it. */
function guestLinks({ links }: NamespaceFacts): readonly Link[] {
  return links
    .filter((link) => link.isUp && !isOurTap(link))
    .toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}

/** Why there can be no tap. */
function obstacleToTap(
  { hasTun }: NetworkRequest,
  facts: NamespaceFacts,
  links: readonly Link[],
): string | undefined {
  if (!hasTun) return 'the host has no /dev/net/tun';
  if (facts.links.some(isOurTap)) return 'another unikernel in this network namespace has the tap';
  const silent = links.find(({ hasArp }) => !hasArp);
  if (silent !== undefined)
    return `its interface "${silent.name}" has no ARP, by which a guest would be found`;
  return undefined;
}

/** Why there had better be none. */
function reasonAgainstTap(
  { isShared, isToldAddress, nameServers }: NetworkRequest,
  links: readonly Link[],
): string | undefined {
  if (isShared) return 'other containers are in this network namespace';
  // Where the engine gives no address either, the network may have somebody who does.
  if (!isToldAddress && links.some(({ ipv4, ipv6 }) => ipv4.length + ipv6.length > 0))
    return 'its command line has no place for an address, such as {ipv4}, so that it has to ask for one';
  const [server] = nameServers;
  if (server !== undefined && nameServers.every((address) => address.startsWith('127.')))
    return `its name server ${server} is inside the network namespace`;
  return undefined;
}

function impossible(mode: NetworkMode, reason: string): RuntimeError {
  return new RuntimeError('NETWORK_UNSUPPORTED', `network mode "${mode}" is not possible: ${reason}`, {
    hint: 'set [network] mode to "auto" or "user" in ucrun\'s config.toml',
  });
}

/** The address by which a guest is known; undefined if it has none. */
export function guestAddress(plan: NetworkPlan | undefined): string | undefined {
  return guestAddresses(plan)[0];
}

/** Every address that the guest was told, card by card, and the one by which it is known first. */
export function guestAddresses(plan: NetworkPlan | undefined): readonly string[] {
  if (plan === undefined || plan.kind === 'none') return [];
  return plan.guest.cards.flatMap(({ ipv4, ipv6, moreAddresses }) =>
    [ipv4, ipv6, ...moreAddresses].flatMap((entry) => (entry === undefined ? [] : [entry.address])),
  );
}
