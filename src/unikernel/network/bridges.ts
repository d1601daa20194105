import { asRecords, parseIpLists } from './ip-json.ts';
import type { IpAddress } from './types.ts';

/** A bridge of the host's. */
export interface Bridge {
  readonly name: string;
  /** Bytes. */
  readonly mtu: number;
  readonly isUp: boolean;
  /** Its own, of both families and every scope. */
  readonly addresses: readonly IpAddress[];
}

/** The arguments of ip(8) that {@link parseBridges} reads the output of. */
export const bridgesCommand = ['-json', 'address', 'show', 'type', 'bridge'] as const;

/**
 * The host's bridges.
 * @param output what `ip -json address show type bridge` printed
 * @throws RuntimeError HOST_FAILED if it is not that
 * @see iproute2 ip/ipaddress.c
 */
export function parseBridges(output: string): readonly Bridge[] {
  const [list] = parseIpLists(output, "the host's bridges");
  return asRecords(list).flatMap((link) => {
    const { ifname: name, mtu, flags, addr_info: addresses } = link;
    // Some versions leave an empty object in the place of each link that was not asked for.
    if (typeof name !== 'string' || typeof mtu !== 'number') return [];
    return [
      {
        name,
        mtu,
        isUp: Array.isArray(flags) && flags.includes('UP'),
        addresses: asRecords(addresses).map(({ local, prefixlen }) => ({
          address: String(local),
          prefixLength: Number(prefixlen),
        })),
      },
    ];
  });
}
