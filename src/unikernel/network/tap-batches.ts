import type { TapCard } from './types.ts';

/** Lines for `ip -batch -` and `tc -batch -`. */
export interface Batches {
  readonly ip: string;
  readonly tc: string;
}

/**
 * What has to be done for taps: each beside the container's interface, and every frame that arrives at one of the two sent out of
 * the other.
 * @param ownerUid the uid that may open the taps, as seen from ucrun's user namespace
 * @see ip-tuntap(8), tc-mirred(8)
 */
export function tapBatches(taps: readonly TapCard[], ownerUid: number): Batches {
  return {
    ip: lines(
      taps.flatMap(({ tap, mtu, queues }) => [
        `tuntap add dev ${tap} mode tap user ${ownerUid} vnet_hdr${queues > 1 ? ' multi_queue' : ''}`,
        // Without an address of its own the kernel sends nothing of its own to the guest.
        `link set dev ${tap} mtu ${mtu} addrgenmode none up`,
      ]),
    ),
    tc: lines(taps.flatMap(({ link, tap }) => [...redirect(link, tap), ...redirect(tap, link)])),
  };
}

/**
 * What undoes {@link tapBatches}, however far that came: removing a device removes what hangs on it. Each line is to be tried,
 * whatever became of those before it.
 */
export function tapTeardown(taps: readonly TapCard[]): Batches {
  return {
    ip: lines(taps.map(({ tap }) => `link delete dev ${tap}`)),
    tc: lines(taps.map(({ link }) => `qdisc delete dev ${link} ingress`)),
  };
}

function redirect(from: string, to: string): readonly string[] {
  return [
    `qdisc add dev ${from} ingress`,
    `filter add dev ${from} parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev ${to}`,
  ];
}

function lines(commands: readonly string[]): string {
  return commands.map((line) => `${line}\n`).join('');
}
