import { isIpAddress } from './ip-address.ts';
import { asRecords, parseIpLists } from './ip-json.ts';

/** A station that the host has heard of. What it says of itself is not checked by anybody. */
export interface Neighbour {
  readonly address: string;
  readonly mac: string;
  /** The host's interface that it is behind, such as a bridge. */
  readonly device: string;
}

/** The arguments of ip(8) that {@link parseNeighbours} reads the output of. */
export const neighboursCommand = ['-json', 'neighbour', 'show'] as const;

/**
 * The stations that have answered, with addresses that others can reach, too: not those of a link of IPv6.
 * @param output what `ip -json neighbour show` printed
 * @throws RuntimeError HOST_FAILED if it is not that
 * @see iproute2 ip/ipneigh.c
 */
export function parseNeighbours(output: string): readonly Neighbour[] {
  const [list] = parseIpLists(output, "the host's neighbours");
  return asRecords(list).flatMap(({ dst: address, lladdr: mac, dev: device }) => {
    if (typeof address !== 'string' || typeof mac !== 'string' || typeof device !== 'string') return [];
    return isIpAddress(address) && !/^fe[89ab]/.test(address) ? [{ address, mac, device }] : [];
  });
}
