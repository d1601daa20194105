import { ipv4Mask } from '../ipv4.ts';
import { isInNetwork, isIpv6 } from '../network/ip-address.ts';
import type { GuestNetwork, IpAddress, NetworkCard, StaticRoute } from '../network/types.ts';
import { ipv4NameServers, plainHostname } from './network-words.ts';

/** A C library asks no more of them. @see resolv.conf(5), MAXNS */
const mostNameServers = 3;

/** What a Linux guest is told about its network. */
export interface LinuxNetworkWords {
  /** The kernel's own parameter, with its name; undefined: it could say nothing. */
  readonly ip: string | undefined;
  /** The value of the variable for what the parameter cannot say; undefined: nothing is left to say. */
  readonly more: string | undefined;
}

/**
 * The kernel's `ip=` sets one address, and ignores all but the last of several. So it has the first IPv4 address of the first card,
 * with its gateway if that is in the card's network, where the kernel wants it to be. All that is left goes to init: a list of
 * entries, with semicolons between, of words with commas between. An entry's first word is the interface, `dns`, `search` or `host`; a
 * further card that is to ask for its address has the word `dhcp`.
 *
 *     eth0,fd00::2/64,default>fd00::1;eth1,10.89.5.2/24,10.1.0.0/16>10.89.5.9,10.9.0.0/16>;dns,fd00::53
 *
 * Of routes to one place the first counts, also across interfaces.
 * @see Linux Documentation/admin-guide/nfs/nfsroot.rst; net/ipv4/ipconfig.c, ip_auto_config_setup(), ic_setup_routes()
 */
export function linuxNetworkWords(
  network: GuestNetwork | undefined,
  hostname: string | undefined,
): LinuxNetworkWords {
  if (network === undefined) return { ip: undefined, more: undefined };
  const [first] = network.cards;
  const { search = [] } = network;
  const servers = network.nameServers.slice(0, mostNameServers);
  const kernelServers = ipv4NameServers({ ...network, nameServers: servers }).slice(0, 2);
  const ip = first === undefined ? undefined : firstCardWord(first, kernelServers, hostname);
  const otherServers =
    ip === undefined ? servers : servers.filter((server) => !kernelServers.includes(server));
  const name = plainHostname(hostname);
  const entries = [
    ...network.cards.map((card, index) => {
      const words = cardWords(card, index === 0);
      return words.length === 0 ? [] : [`eth${index}`, ...words];
    }),
    otherServers.length === 0 ? [] : ['dns', ...otherServers],
    search.length === 0 ? [] : ['search', ...search],
    ip === undefined && name !== undefined && network.cards.length > 0 ? ['host', name] : [],
  ].filter((entry) => entry.length > 0);
  return {
    ip,
    more: entries.length === 0 ? undefined : entries.map((entry) => entry.join(',')).join(';'),
  };
}

function firstCardWord(
  card: NetworkCard,
  servers: readonly string[],
  hostname: string | undefined,
): string | undefined {
  if (card.ipv4 !== undefined) return kernelWord(card, card.ipv4, servers, hostname);
  if (card.isAutomatic !== true) return undefined;
  return `ip=::::${plainHostname(hostname) ?? ''}:eth0:dhcp`;
}

function kernelWord(
  card: NetworkCard,
  { address, prefixLength }: IpAddress,
  servers: readonly string[],
  hostname: string | undefined,
): string {
  const fields = [
    address,
    '',
    kernelGateway(card) ?? '',
    ipv4Mask(prefixLength),
    plainHostname(hostname) ?? '',
    'eth0',
    'off',
    ...servers,
  ];
  return `ip=${fields.join(':').replace(/:+$/, '')}`;
}

/** With one that it cannot place the kernel would set up nothing. */
function kernelGateway({ ipv4, ipv4Gateway }: NetworkCard): string | undefined {
  if (ipv4 === undefined || ipv4Gateway === undefined) return undefined;
  return isInNetwork(ipv4, ipv4Gateway) ? ipv4Gateway : undefined;
}

/** @param isFirst whether the kernel's own parameter has said the first part already, where there is one */
function cardWords(card: NetworkCard, isFirst: boolean): readonly string[] {
  // The kernel asks for the address of one card alone.
  if (card.isAutomatic === true) return isFirst ? [] : ['dhcp'];
  const isStarted = isFirst && card.ipv4 !== undefined;
  const { ipv4, ipv4Gateway, ipv6, ipv6Gateway, moreAddresses, routes } = card;
  const addresses = [isStarted ? undefined : ipv4, ipv6, ...moreAddresses].flatMap((entry) =>
    entry === undefined ? [] : [`${entry.address}/${entry.prefixLength}`],
  );
  const gateways = [isStarted && kernelGateway(card) !== undefined ? undefined : ipv4Gateway, ipv6Gateway];
  return [
    ...addresses,
    // A gateway that is reached by such a route comes behind it.
    ...routes.filter(({ gateway }) => gateway === undefined).map(routeWord),
    ...gateways.flatMap((gateway) => (gateway === undefined ? [] : [`default>${gateway}`])),
    ...routes
      .filter(({ gateway }) => gateway !== undefined)
      .toSorted((a, b) => a.metric - b.metric)
      .map(routeWord),
  ];
}

function routeWord({ destination, prefixLength, gateway = '' }: StaticRoute): string {
  if (prefixLength > 0) return `${destination}/${prefixLength}>${gateway}`;
  if (gateway !== '') return `default>${gateway}`;
  return `${isIpv6(destination) ? '::' : '0.0.0.0'}/0>`;
}
