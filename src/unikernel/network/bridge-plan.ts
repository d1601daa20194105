import { RuntimeError } from '../../base/runtime-error.ts';
import type { Bridge } from './bridges.ts';
import { queuesFor } from './tap-plan.ts';
import type { IpAddress, NetworkAbilities, NetworkCard, TapPlan } from './types.ts';

/** A card of a machine's that is joined to a bridge of the host's, as the machine's owner wants it. */
export interface BridgeCard {
  readonly bridge: string;
  /** The guest's, in lower case. */
  readonly mac: string;
  /** Without any address the guest has to ask for one. */
  readonly ipv4: IpAddress | undefined;
  readonly ipv4Gateway: string | undefined;
  readonly ipv6: IpAddress | undefined;
  readonly ipv6Gateway: string | undefined;
}

export interface BridgeRequest {
  readonly cards: readonly BridgeCard[];
  /** A name for the tap of each card. */
  readonly taps: readonly string[];
  /** Those of the host. */
  readonly bridges: readonly Bridge[];
  readonly nameServers: readonly string[];
  /** The guest's type, as messages name it. */
  readonly guest: string;
  readonly abilities: NetworkAbilities;
  readonly cpus: number;
}

/**
 * A tap for each card, as a port of its bridge. What was asked for and cannot be is an error: nothing is left out.
 * @throws RuntimeError NETWORK_UNSUPPORTED
 */
export function planBridges(request: BridgeRequest): TapPlan {
  const { cards, taps, nameServers, abilities, cpus } = request;
  checkGuest(request);
  const bridges = cards.map((card) => findBridge(card, request.bridges));
  const isTold = cards.some((card) => !isAutomatic(card));
  return {
    kind: 'tap',
    guest: {
      cards: cards.map((card, index) => networkCard(card, bridges[index])),
      // Whoever gives the guest its address tells it of name servers as well.
      nameServers: isTold ? nameServers : [],
    },
    taps: cards.map(({ bridge }, index) => ({
      link: bridge,
      tap: taps[index] ?? '',
      mtu: bridges[index]?.mtu ?? 1500,
      queues: queuesFor(abilities, cpus),
      vhost: false,
    })),
    leftOut: [],
    notes: [],
  };
}

function isAutomatic({ ipv4, ipv6 }: BridgeCard): boolean {
  return ipv4 === undefined && ipv6 === undefined;
}

function networkCard(card: BridgeCard, bridge: Bridge | undefined): NetworkCard {
  const { mac, ipv4, ipv4Gateway, ipv6, ipv6Gateway } = card;
  return {
    mac,
    ipv4,
    ipv4Gateway,
    ipv6,
    ipv6Gateway,
    moreAddresses: [],
    routes: [],
    mtu: bridge?.mtu,
    ...(isAutomatic(card) ? { isAutomatic: true } : {}),
  };
}

function checkGuest({ cards, guest, abilities }: BridgeRequest): void {
  if (cards.length > abilities.cards) {
    throw unsupported(
      `a guest of type "${guest}" has ${abilities.cards === 1 ? 'one network card' : `${abilities.cards} network cards`}, not ${cards.length}`,
      'leave out some of the options --network',
    );
  }
  const six = cards.find(({ ipv6 }) => ipv6 !== undefined);
  if (six?.ipv6 !== undefined && !abilities.ipv6) {
    throw unsupported(
      `a guest of type "${guest}" has no IPv6, and cannot be ${six.ipv6.address}`,
      'give it an IPv4 address',
    );
  }
  const nameless = cards.find(isAutomatic);
  if (nameless !== undefined && !abilities.asksForAddress) {
    throw unsupported(
      `a guest of type "${guest}" does not ask for an address: it has to be told one`,
      `add it: --network bridge:${nameless.bridge},ip=ADDRESS/LENGTH`,
    );
  }
}

function findBridge({ bridge: name, ipv4, ipv6 }: BridgeCard, bridges: readonly Bridge[]): Bridge {
  const found = bridges.find((bridge) => bridge.name === name);
  if (found === undefined) {
    const names = bridges.map((bridge) => bridge.name).join(', ');
    throw unsupported(
      `the host has no bridge "${name}"`,
      names === ''
        ? `make it, such as with "ip link add ${name} type bridge" and "ip link set ${name} up"`
        : `its bridges are: ${names}`,
    );
  }
  if (!found.isUp) throw unsupported(`the bridge "${name}" is down`, `bring it up: ip link set ${name} up`);
  const own = [ipv4, ipv6].find((wanted) =>
    found.addresses.some(({ address }) => address === wanted?.address),
  );
  if (own !== undefined)
    throw unsupported(`${own.address} is the bridge's own address`, 'give the guest another one');
  return found;
}

function unsupported(message: string, hint: string): RuntimeError {
  return new RuntimeError('NETWORK_UNSUPPORTED', message, { hint });
}
