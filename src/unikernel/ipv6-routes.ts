/** RTF_UP and RTF_GATEWAY. @see Linux include/uapi/linux/route.h */
const upGateway = 0x3;

/** To everywhere, from everywhere: next hop, metric, flags and device. */
const defaultRoute =
  /^0{32} 00 0{32} 00 ([0-9a-f]{32}) ([0-9a-f]{8}) [0-9a-f]{8} [0-9a-f]{8} ([0-9a-f]{8}) +(\S+)$/;

/**
 * The gateways of the default routes in a `/proc/PID/net/ipv6_route`, by device: of several the one with the lowest metric.
 * A line that is not as the kernel writes it is passed over.
 * @see Linux net/ipv6/route.c, rt6_info_route()
 */
export function parseIpv6Gateways(text: string): Readonly<Record<string, string>> {
  const found = new Map<string, { readonly gateway: string; readonly metric: number }>();
  for (const line of text.split('\n')) {
    const [, nextHop = '', metricHex = '', flagsHex = '', device = ''] = defaultRoute.exec(line) ?? [];
    if ((Number.parseInt(flagsHex, 16) & upGateway) !== upGateway) continue;
    const metric = Number.parseInt(metricHex, 16);
    const earlier = found.get(device);
    if (earlier === undefined || metric < earlier.metric)
      found.set(device, { gateway: formatIpv6(nextHop), metric });
  }
  return Object.fromEntries([...found].map(([device, { gateway }]) => [device, gateway]));
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
