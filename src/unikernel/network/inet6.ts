/** Address, device number, prefix length, scope, flags, name. Scope 00 is global. */
const entry = /^[0-9a-f]{32} [0-9a-f]{2} [0-9a-f]{2} 00 [0-9a-f]{2} +(\S+)$/gm;

/**
 * The devices with a global IPv6 address in a `/proc/PID/net/if_inet6`.
 * @see Linux net/ipv6/addrconf.c, if6_seq_show
 */
export function devicesWithGlobalIpv6(text: string): readonly string[] {
  return [...text.matchAll(entry)].map(([, name = '']) => name);
}

/** Whether there is a global IPv6 address. */
export function hasGlobalIpv6(text: string): boolean {
  return devicesWithGlobalIpv6(text).length > 0;
}
