import type { HostEntry } from '../hosts-file.ts';
import type { PortMapping } from '../ports.ts';

/** What somebody may ask for; `auto` is what suits the container best. */
export type NetworkMode = 'auto' | 'tap' | 'passt' | 'user' | 'none';

/** How the guest's cards are joined to the container's network. Plain data: it is kept in the record. */
export type NetworkPlan = NoNetwork | TapPlan | PasstPlan | UserPlan;

interface PlanNotes {
  /** What is not as one would expect, and why, each in one line without a full stop. For the container's log and `state`. */
  readonly notes: readonly string[];
}

export interface NoNetwork extends PlanNotes {
  readonly kind: 'none';
}

/** Each of the guest's cards is a tap beside an interface of the container's. */
export interface TapPlan extends PlanNotes {
  readonly kind: 'tap';
  readonly guest: GuestNetwork;
  /** In the order of `guest.cards`, and as many. */
  readonly taps: readonly TapCard[];
  /** The interfaces that the guest cannot have. */
  readonly leftOut: readonly string[];
}

/** A passt in the sandbox does for the guest what it wants of the container's network, of whose address it has the same. */
export interface PasstPlan extends PlanNotes {
  readonly kind: 'passt';
  readonly guest: GuestNetwork;
  /** The container's interface whose addresses the guest has. */
  readonly link: string;
  /** Bytes. */
  readonly mtu: number;
  /** What is offered on the namespace's addresses. */
  readonly ports: readonly PortMapping[];
  /** The address at which the guest finds a name server that is inside the namespace; undefined: there is none. */
  readonly nameServerInside: string | undefined;
  /** Where passt listens for QEMU, inside the sandbox. */
  readonly socket: string;
}

/** QEMU's user network stack, in the container's namespace, is the guest's router. */
export interface UserPlan extends PlanNotes {
  readonly kind: 'user';
  readonly guest: GuestNetwork;
  /** What is offered on the namespace's addresses. */
  readonly ports: readonly PortMapping[];
  /** The stack's own network, such as `10.0.2.0/24`. */
  readonly subnet: string;
  /** Its network of IPv6, such as `fec0::/64`; undefined: it has none. */
  readonly ipv6Subnet: string | undefined;
}

export interface TapCard {
  /** The container's interface; for a machine the bridge that the tap is a port of. */
  readonly link: string;
  readonly tap: string;
  /** Bytes. */
  readonly mtu: number;
  /** Pairs of queues, one for each processor that is to send and receive at the same time; 1 is an ordinary tap. */
  readonly queues: number;
  /** Whether the host's kernel carries the frames, without QEMU. */
  readonly vhost: boolean;
}

/** What the guest is told about its network. */
export interface GuestNetwork {
  /** In the order in which the guest finds them. */
  readonly cards: readonly NetworkCard[];
  readonly nameServers: readonly string[];
  /** The domains that are tried behind a name, as far as the guest can be told them; undefined: there are none. */
  readonly search?: readonly string[];
  /** The names of others that no name server knows, as far as the guest can be told them; undefined: there are none. */
  readonly hosts?: readonly HostEntry[];
}

export interface NetworkCard {
  readonly mac: string;
  /** The address that guests with room for one have. */
  readonly ipv4: IpAddress | undefined;
  /** It may be outside of every network of the card's, and is reached directly all the same. */
  readonly ipv4Gateway: string | undefined;
  readonly ipv6: IpAddress | undefined;
  readonly ipv6Gateway: string | undefined;
  /** Of both families, beside the first ones. */
  readonly moreAddresses: readonly IpAddress[];
  /** Of both families, beside those to the card's own networks and to the gateways. */
  readonly routes: readonly StaticRoute[];
  /** Bytes; undefined: the usual 1500. */
  readonly mtu: number | undefined;
  /** Whether the guest is to ask its network for an address, by DHCP or of a router; a card without any is else one without addresses. */
  readonly isAutomatic?: boolean;
}

/** IPv4 with dots, or IPv6 in the form that inet_ntop(3) writes. */
export interface IpAddress {
  readonly address: string;
  readonly prefixLength: number;
}

export interface StaticRoute {
  /** The network's first address; with prefix length 0 it is everywhere. */
  readonly destination: string;
  readonly prefixLength: number;
  /** undefined: the destination is reached directly. */
  readonly gateway: string | undefined;
  /** The lowest one counts. */
  readonly metric: number;
}

/** As many cards as a machine may have. */
export const mostCards = 8;

/** What a guest type can do with its network. */
export interface NetworkAbilities {
  /** How many cards it can be told of. */
  readonly cards: number;
  readonly ipv6: boolean;
  /** Whether its driver has a pair of queues for each processor. */
  readonly multiqueue: boolean;
  /** Whether it can find an address by itself, as far as ucrun knows; not all kernels of a type are built for it. */
  readonly asksForAddress: boolean;
}
