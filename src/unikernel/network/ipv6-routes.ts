import type { Route } from './facts.ts';

/** @see Linux include/uapi/linux/route.h, include/uapi/linux/ipv6_route.h */
const flagBits = {
  up: 0x1,
  gateway: 0x2,
  reject: 0x200,
  /** Learned from a router's advertisement. */
  advertised: 0x40000,
  anycast: 0x100000,
  local: 0x80000000,
} as const;

/** Destination, from everywhere: next hop, metric, flags and device. */
const entry =
  /^([0-9a-f]{32}) ([0-9a-f]{2}) 0{32} 00 ([0-9a-f]{32}) ([0-9a-f]{8}) [0-9a-f]{8} [0-9a-f]{8} ([0-9a-f]{8}) +(\S+)$/;

const nowhere = '0'.repeat(32);

/**
 * The routes in a `/proc/PID/net/ipv6_route` that somebody has set, and the default routes, also those that a router has
 * advertised. Not among them are those to the host itself, to link-local and to multicast addresses.
 * A line that is not as the kernel writes it is passed over.
 * @see Linux net/ipv6/route.c, rt6_info_route()
 */
export function parseIpv6Routes(text: string): readonly Route[] {
  return text.split('\n').flatMap((line): readonly Route[] => {
    const match = entry.exec(line);
    if (match === null) return [];
    const [, destination = '', prefix = '', nextHop = '', metric = '', flagsHex = '', device = ''] = match;
    const flags = Number.parseInt(flagsHex, 16);
    const has = (flag: number) => Math.floor(flags / flag) % 2 === 1;
    const prefixLength = Number.parseInt(prefix, 16);
    if (!has(flagBits.up) || prefixLength > 128) return [];
    if (has(flagBits.local) || has(flagBits.anycast) || has(flagBits.reject)) return [];
    if (/^f(?:e80|f)/.test(destination) && prefixLength > 0) return [];
    if (has(flagBits.advertised) && prefixLength > 0) return [];
    const gateway = has(flagBits.gateway) && nextHop !== nowhere ? formatIpv6(nextHop) : undefined;
    return [
      {
        device,
        destination: formatIpv6(destination),
        prefixLength,
        gateway,
        metric: Number.parseInt(metric, 16),
      },
    ];
  });
}

/**
 * An IPv6 address of 32 hexadecimal digits as people write it.
 * @see RFC 5952 §4
 */
export function formatIpv6(digits: string): string {
  const groups = (digits.match(/.{4}/g) ?? []).map((group) => group.replace(/^0{1,3}/, ''));
  let best = { start: 0, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === '0') length++;
    if (length > best.length) best = { start, length };
  }
  if (best.length === 1) return groups.join(':');
  return `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`;
}
