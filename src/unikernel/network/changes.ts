import { devicesWithGlobalIpv6 } from './inet6.ts';
import type { NetworkPlan } from './types.ts';

/** Files of `/proc/PID/net`, as they are now. */
export interface NamespaceTexts {
  readonly dev: string;
  readonly route: string;
  readonly ifInet6: string;
}

/**
 * What became of the container's interfaces since the guest has its cards, as lines for people: an engine does not tell its runtime that it
 * attaches a running container to a network, or detaches it. Only cards that stand for interfaces of their own make a difference.
 * @see Linux net/core/net-procfs.c, net/ipv4/fib_trie.c (fib_route_seq_show)
 */
export function networkChanges(plan: NetworkPlan, texts: NamespaceTexts): readonly string[] {
  if (plan.kind !== 'tap') return [];
  const present = new Set([...texts.dev.matchAll(/^ *([^\s:]+):/gm)].map(([, name]) => name));
  const known = new Set([...plan.taps.flatMap(({ link, tap }) => [link, tap]), ...plan.leftOut, 'lo']);
  const attached = devicesWithAddress(texts).filter((name) => !known.has(name));
  const detached = plan.taps.map(({ link }) => link).filter((link) => !present.has(link));
  return [
    ...(attached.length === 0
      ? []
      : [`${attached.join(', ')} attached since the start, for the guest only after a restart`]),
    ...(detached.length === 0 ? [] : [`${detached.join(', ')} detached since the start`]),
  ];
}

/** A device with an address has a route; of IPv6 each has that, but only global addresses count. */
function devicesWithAddress({ route, ifInet6 }: NamespaceTexts): readonly string[] {
  const ofIpv4 = [...route.matchAll(/^(\S+)\t[0-9A-F]{8}\t/gm)].map(([, name = '']) => name);
  return [...new Set([...ofIpv4, ...devicesWithGlobalIpv6(ifInet6)])];
}
