import { isIpAddress } from './network/ip-address.ts';

/** An address, and the names that stand for it. */
export interface HostEntry {
  /** IPv4 with dots, or IPv6. */
  readonly address: string;
  /** At least one, the official one first. */
  readonly names: readonly string[];
}

/** What a hosts file says of the container itself, whose guest knows it by itself. */
export interface OwnEntries {
  readonly addresses: readonly string[];
  readonly hostname: string | undefined;
}

/**
 * The entries of a container's hosts file that are true in its guest as well, in order. Loopback addresses are not: they are those of the
 * container's namespace or, as engines copy the host's file, of the host. Neither is what a guest says of itself. Others may write to the
 * file, so that what is no plain address or name is left out.
 * @see hosts(5); RFC 1123 §2.1, and the underscore of many an engine's names
 */
export function parseHosts(text: string, own: OwnEntries): readonly HostEntry[] {
  return text.split('\n').flatMap((line) => {
    const [address = '', ...words] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (!isIpAddress(address) || isLoopback(address) || own.addresses.includes(address)) return [];
    // The line of the container's host name has its other names, too.
    if (own.hostname !== undefined && words.includes(own.hostname)) return [];
    const names = words.filter((name) => isPlainName(name) && !isLocalName(name));
    return names.length === 0 ? [] : [{ address, names }];
  });
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || /^[0:]+:0*1$/.test(address);
}

function isPlainName(name: string): boolean {
  return name.length <= 253 && /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/.test(name);
}

/** What every Linux calls addresses of its own, and the usual groups. */
function isLocalName(name: string): boolean {
  return name === 'localhost' || name.startsWith('ip6-');
}
