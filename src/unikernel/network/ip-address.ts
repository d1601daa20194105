import type { IpAddress } from './types.ts';

/** An address as a number, of 32 or 128 bits. */
interface IpNumber {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** Whether an address is in a network, which any of its addresses stands for. False for what is no address. */
export function isInNetwork(network: IpAddress, address: string): boolean {
  const first = ipNumber(network.address);
  const second = ipNumber(address);
  if (first === undefined || second === undefined || first.bits !== second.bits) return false;
  const shift = BigInt(first.bits - network.prefixLength);
  return first.value >> shift === second.value >> shift;
}

/** Whether a text is an address, of either family, and nothing else. An IPv6 address with a zone or with dots is none. */
export function isIpAddress(text: string): boolean {
  if (isIpv6(text)) return ipNumber(text) !== undefined;
  return /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(text);
}

export function isIpv6(address: string): boolean {
  return address.includes(':');
}

/** @see RFC 4291 §2.2 */
function ipNumber(text: string): IpNumber | undefined {
  if (!isIpv6(text)) {
    const bytes = text.split('.').map(Number);
    if (bytes.length !== 4 || bytes.some((byte) => !(byte >= 0 && byte <= 255))) return undefined;
    return { bits: 32, value: BigInt(bytes.reduce((total, byte) => total * 256 + byte, 0)) };
  }
  const [head = '', tail, more] = text.split('::');
  if (more !== undefined) return undefined;
  const groupsOf = (part: string) => (part === '' ? [] : part.split(':'));
  const before = groupsOf(head);
  const after = groupsOf(tail ?? '');
  const missing = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array.from({ length: Math.max(0, missing) }, () => '0'), ...after];
  if (groups.length !== 8 || groups.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return { bits: 128, value: BigInt(`0x${groups.map((group) => group.padStart(4, '0')).join('')}`) };
}
