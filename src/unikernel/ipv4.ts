/** The first address of a network that is not the given one: in most networks the router's. */
export function firstOfNetwork({
  address,
  prefixLength,
}: {
  readonly address: string;
  readonly prefixLength: number;
}): string {
  const value = address.split('.').reduce((total, byte) => total * 256 + Number(byte), 0);
  const size = 2 ** (32 - prefixLength);
  const first = Math.floor(value / size) * size + 1;
  const chosen = first === value ? first + 1 : first;
  return [24, 16, 8, 0].map((shift) => Math.floor(chosen / 2 ** shift) % 256).join('.');
}

/** The dotted netmask of a prefix length from 0 to 32: 24 → `255.255.255.0`. */
export function ipv4Mask(prefixLength: number): string {
  const bits = prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join('.');
}
