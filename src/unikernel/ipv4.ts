/** The dotted netmask of a prefix length from 0 to 32: 24 → `255.255.255.0`. */
export function ipv4Mask(prefixLength: number): string {
  const bits = prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join('.');
}
