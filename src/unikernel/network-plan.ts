import { RuntimeError } from '../base/runtime-error.ts';
import { parseIpv6Gateways } from './ipv6-routes.ts';
import type { PortMapping } from './ports.ts';

export type NetworkMode = 'auto' | 'tap' | 'user' | 'none';

/** How the guest's card is joined to the container's network. */
export type NetworkPlan =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'user';
      readonly guest: GuestNetwork;
      readonly ports: readonly PortMapping[];
      /** The stack's own network, such as `10.0.2.0/24`. */
      readonly subnet: string;
    }
  | TapPlan;

/** The guest's card is a tap beside the container's own interface `link`. */
export interface TapPlan {
  readonly kind: 'tap';
  readonly guest: GuestNetwork;
  readonly link: string;
  readonly tap: string;
  readonly mtu: number;
}

/** What the guest is told about its network. */
export interface GuestNetwork {
  readonly cards: readonly NetworkCard[];
  readonly nameServers: readonly string[];
}

export interface NetworkCard {
  readonly mac: string;
  readonly ipv4: Ipv4Address | undefined;
  readonly ipv4Gateway: string | undefined;
  readonly ipv6: Ipv6Address | undefined;
  readonly ipv6Gateway: string | undefined;
  /** Bytes; undefined: the usual 1500. */
  readonly mtu: number | undefined;
}

/** In the form that inet_ntop(3) writes. */
export interface Ipv6Address {
  readonly address: string;
  readonly prefixLength: number;
}

export interface Ipv4Address {
  readonly address: string;
  readonly prefixLength: number;
}

/** An interface of the container, as `ip -json address show` has it. */
export interface Link {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly ipv4: readonly Ipv4Address[];
  readonly ipv6: readonly Ipv6Address[];
}

export interface NamespaceFacts {
  readonly links: readonly Link[];
  /** Device → gateway of its default route. */
  readonly gateways: Readonly<Record<string, string>>;
  /** The same, of IPv6. */
  readonly ipv6Gateways: Readonly<Record<string, string>>;
}

/** The commands for `ip -json -batch -` that {@link parseNamespaceFacts} reads the output of. */
export const factsBatch = 'address show\nroute show default\n';

/** Every tap of ours begins so. tap0 belongs to slirp4netns. */
const tapPrefix = 'uctap';

/**
 * QEMU's user stack has a /24 of its own, in which these are its addresses and the guest's. It is 10.0.2.0 unless the container's
 * network has that, as slirp4netns' has: a guest sends answers for its own subnet to nobody outside.
 * @see qemu(1), "-netdev user"
 */
const userPrefixes: readonly string[] = ['10.0.2', '10.0.3', '10.0.4', '10.0.5', '10.0.6'];
const userHosts = { gateway: 2, nameServer: 3, guest: 15 } as const;
const userMac = '02:75:63:00:00:01';

/**
 * Read what two `ip -json` commands printed, one JSON list after the other, and the kernel's table of IPv6 routes, for which ip
 * would have to be started a second time.
 * @param ipv6Routes the text of `/proc/PID/net/ipv6_route`
 * @throws RuntimeError HOST_FAILED if it is not that
 * @see iproute2 ip/ipaddress.c, ip/iproute.c
 */
export function parseNamespaceFacts(output: string, ipv6Routes: string): NamespaceFacts {
  const [addresses, routes] = splitJsonLists(output);
  const links = asRecords(addresses)
    .filter((link) => link.link_type === 'ether')
    .map(readLink);
  const gateways: Record<string, string> = {};
  for (const route of asRecords(routes)) {
    const { dev, gateway } = route;
    // The first one has the lowest metric, or is the only one.
    if (typeof dev === 'string' && typeof gateway === 'string' && !Object.hasOwn(gateways, dev))
      gateways[dev] = gateway;
  }
  return { links, gateways, ipv6Gateways: parseIpv6Gateways(ipv6Routes) };
}

export interface NetworkRequest {
  readonly mode: NetworkMode;
  /** undefined: the container shares the host's network, whose interfaces are not ours to touch. */
  readonly facts: NamespaceFacts | undefined;
  /** Other containers are in the same network namespace, and a tap would take everything that arrives there. */
  readonly isShared: boolean;
  /** Inside a user namespace an engine's port forwarder connects from within the network namespace, past a tap. */
  readonly isRootless: boolean;
  readonly hasTun: boolean;
  readonly ports: readonly PortMapping[];
  readonly nameServers: readonly string[];
}

/**
 * Choose how the guest gets its network.
 * @throws RuntimeError NETWORK_UNSUPPORTED if the configured way is impossible here
 */
export function planNetwork(request: NetworkRequest): NetworkPlan {
  const { mode, facts } = request;
  if (mode === 'none') return { kind: 'none' };
  if (facts === undefined) {
    if (mode === 'tap') throw impossibleTap("the container shares the host's network");
    return userPlan(request);
  }
  const link = facts.links.find(
    ({ name, ipv4, ipv6 }) => !name.startsWith(tapPrefix) && ipv4.length + ipv6.length > 0,
  );
  const isTapTaken = facts.links.some(({ name }) => name.startsWith(tapPrefix));
  if (link === undefined) return { kind: 'none' };
  if (mode === 'tap') {
    if (!request.hasTun) throw impossibleTap('the host has no /dev/net/tun');
    if (isTapTaken) throw impossibleTap('another unikernel in this network namespace has the tap');
    return tapPlan(link, facts, request.nameServers);
  }
  const wantsUser =
    mode === 'user' || request.isShared || request.isRootless || !request.hasTun || isTapTaken;
  return wantsUser ? userPlan(request) : tapPlan(link, facts, request.nameServers);
}

/** The address by which a guest is known; undefined if it has none. */
export function guestAddress(plan: NetworkPlan | undefined): string | undefined {
  if (plan === undefined || plan.kind === 'none') return undefined;
  const card = plan.guest.cards.find(({ ipv4, ipv6 }) => ipv4 !== undefined || ipv6 !== undefined);
  return card?.ipv4?.address ?? card?.ipv6?.address;
}

/**
 * What `ip -batch -` and `tc -batch -` have to do for a tap: the tap beside the container's interface, and every frame
 * that arrives at one of the two sent out of the other.
 * @param ownerUid the uid that may open the tap, as seen from ucrun's user namespace
 */
export function tapBatches(plan: TapPlan, ownerUid: number): { readonly ip: string; readonly tc: string } {
  const { link, tap, mtu } = plan;
  return {
    ip: [
      `tuntap add dev ${tap} mode tap user ${ownerUid} vnet_hdr`,
      // Without an address of its own the kernel sends nothing of its own to the guest.
      `link set dev ${tap} mtu ${mtu} addrgenmode none up`,
    ]
      .map((line) => `${line}\n`)
      .join(''),
    tc: [...redirect(link, tap), ...redirect(tap, link)].map((line) => `${line}\n`).join(''),
  };
}

/** What undoes {@link tapBatches}: removing a device removes what hangs on it. */
export function tapTeardown(plan: TapPlan): {
  readonly ip: string;
  readonly tc: string;
} {
  return { ip: `link delete dev ${plan.tap}\n`, tc: `qdisc delete dev ${plan.link} ingress\n` };
}

function redirect(from: string, to: string): readonly string[] {
  return [
    `qdisc add dev ${from} ingress`,
    `filter add dev ${from} parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev ${to}`,
  ];
}

function tapPlan(link: Link, facts: NamespaceFacts, nameServers: readonly string[]): NetworkPlan {
  const gatewayIn = (gateways: Readonly<Record<string, string>>) =>
    Object.hasOwn(gateways, link.name) ? gateways[link.name] : undefined;
  const card: NetworkCard = {
    mac: link.mac,
    ipv4: link.ipv4[0],
    ipv4Gateway: gatewayIn(facts.gateways),
    ipv6: link.ipv6[0],
    ipv6Gateway: gatewayIn(facts.ipv6Gateways),
    mtu: link.mtu,
  };
  return {
    kind: 'tap',
    guest: { cards: [card], nameServers },
    link: link.name,
    tap: `${tapPrefix}0`,
    mtu: link.mtu,
  };
}

function userPlan(request: NetworkRequest): NetworkPlan {
  const taken = (request.facts?.links ?? []).flatMap(({ ipv4 }) => ipv4.map(({ address }) => address));
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
    mtu: undefined,
  };
  return {
    kind: 'user',
    guest: { cards: [card], nameServers: [address(userHosts.nameServer)] },
    ports: request.ports,
    subnet: `${address(0)}/24`,
  };
}

function impossibleTap(reason: string): RuntimeError {
  return new RuntimeError('NETWORK_UNSUPPORTED', `network mode "tap" is not possible: ${reason}`, {
    hint: 'set [network] mode to "auto" or "user" in ucrun\'s config.toml',
  });
}

/** ip prints one list a command; each begins at the start of a line. */
function splitJsonLists(output: string): readonly unknown[] {
  try {
    return JSON.parse(`[${output.trim().replaceAll(/\]\s*\n\s*\[/g, '],[')}]`) as unknown[];
  } catch (cause) {
    throw new RuntimeError('HOST_FAILED', "ip(8) printed no JSON about the container's network", { cause });
  }
}

function asRecords(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (!Array.isArray(value)) return [];
  return value.filter((entry) => typeof entry === 'object' && entry !== null);
}

function readLink(link: Readonly<Record<string, unknown>>): Link {
  const name = String(link.ifname);
  const mac = String(link.address);
  const mtu = Number(link.mtu);
  if (!/^[^\s/]{1,15}$/.test(name) || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) || !Number.isInteger(mtu)) {
    throw new RuntimeError(
      'HOST_FAILED',
      `ip(8) printed an interface that cannot be: ${JSON.stringify(link)}`,
    );
  }
  const addresses = (family: string) =>
    asRecords(link.addr_info)
      .filter((entry) => entry.family === family && entry.scope === 'global')
      .map((entry) => ({ address: String(entry.local), prefixLength: Number(entry.prefixlen) }));
  return { name, mac, mtu, ipv4: addresses('inet'), ipv6: addresses('inet6') };
}
