import { RuntimeError } from '../../base/runtime-error.ts';
import { asRecords, parseIpLists } from './ip-json.ts';
import { parseIpv6Routes } from './ipv6-routes.ts';
import type { IpAddress, StaticRoute } from './types.ts';

/** An interface of the container, as `ip -json address show` has it. */
export interface Link {
  readonly name: string;
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  readonly isUp: boolean;
  /** Whether its neighbours are asked for; not so on an ipvlan of mode l3. */
  readonly hasArp: boolean;
  /** Those of global scope. */
  readonly ipv4: readonly IpAddress[];
  readonly ipv6: readonly IpAddress[];
}

export interface Route extends StaticRoute {
  readonly device: string;
}

/** What is in a network namespace. */
export interface NamespaceFacts {
  /** In the kernel's order, without what belongs to another one, such as a port of a bridge. */
  readonly links: readonly Link[];
  /** Of both families; without those that come with an IPv4 address by itself. */
  readonly routes: readonly Route[];
  /** Whether rules send some packets by other routes. */
  readonly hasRules: boolean;
}

/** The commands for `ip -json -batch -` that {@link parseNamespaceFacts} reads the output of. */
export const factsBatch = 'address show\nroute show\nrule show\n';

/**
 * Read what three `ip -json` commands printed, one JSON list after the other, and the kernel's table of IPv6 routes, for which ip
 * would have to be started a second time.
 * @param ipv6Routes the text of `/proc/PID/net/ipv6_route`
 * @throws RuntimeError HOST_FAILED if it is not that
 * @see iproute2 ip/ipaddress.c, ip/iproute.c, ip/iprule.c
 */
export function parseNamespaceFacts(output: string, ipv6Routes: string): NamespaceFacts {
  const [addresses, routes, rules] = parseIpLists(output, "the container's network");
  const links = asRecords(addresses)
    .filter((link) => link.link_type === 'ether' && link.master === undefined)
    .map(readLink);
  return {
    links,
    routes: [...asRecords(routes).flatMap(readRoute), ...parseIpv6Routes(ipv6Routes)],
    hasRules: asRecords(rules).some(({ table }) => !usualTables.has(String(table))),
  };
}

/** Those that the three rules of every namespace name. @see ip-rule(8) */
const usualTables: ReadonlySet<string> = new Set(['local', 'main', 'default']);

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
  const flags: readonly unknown[] = Array.isArray(link.flags) ? link.flags : [];
  const addresses = (family: string) =>
    asRecords(link.addr_info)
      .filter((entry) => entry.family === family && entry.scope === 'global')
      .map((entry) => ({ address: String(entry.local), prefixLength: Number(entry.prefixlen) }));
  return {
    name,
    mac,
    mtu,
    isUp: flags.includes('UP'),
    hasArp: !flags.includes('NOARP'),
    ipv4: addresses('inet'),
    ipv6: addresses('inet6'),
  };
}

/** A route with several next hops, or one of another family, is not one that a guest could be told. */
function readRoute(route: Readonly<Record<string, unknown>>): readonly Route[] {
  const { dst, gateway, dev, metric, protocol, type } = route;
  if (typeof dst !== 'string' || typeof dev !== 'string' || protocol === 'kernel' || type !== undefined)
    return [];
  const [, destination = '', length = '32'] =
    /^(\d+(?:\.\d+){3})(?:\/(\d+))?$/.exec(dst === 'default' ? '0.0.0.0/0' : dst) ?? [];
  if (destination === '' || route.via !== undefined) return [];
  return [
    {
      device: dev,
      destination,
      prefixLength: Number(length),
      gateway: typeof gateway === 'string' ? gateway : undefined,
      metric: typeof metric === 'number' ? metric : 0,
    },
  ];
}
