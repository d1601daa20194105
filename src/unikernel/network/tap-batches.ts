import type { TapCard } from './types.ts';

/** Lines for `ip -batch -` and `tc -batch -`. */
export interface Batches {
  readonly ip: string;
  readonly tc: string;
}

/**
 * What has to be done for taps: each beside the container's interface, and every frame that arrives at one of the two sent out of
 * the other.
 *
 * A tap is made under a name that is its container's alone, and gets the one that all containers have for it together with its alias. So
 * whoever has a tap of that name has the namespace's interfaces, only one container at a time can, and the alias says which.
 * @param ownerUid the uid that may open the taps, as seen from ucrun's user namespace
 * @param mark of the container: 12 characters that no other has
 * @see ip-tuntap(8), ip-link(8), tc-mirred(8)
 */
export function tapBatches(taps: readonly TapCard[], ownerUid: number, mark: string): Batches {
  const unnamed = unnamedTap(mark);
  return {
    ip: lines(
      taps.flatMap(({ tap, mtu, queues }) => [
        `tuntap add dev ${unnamed} mode tap user ${ownerUid} vnet_hdr${queues > 1 ? ' multi_queue' : ''}`,
        // Without an address of its own the kernel sends nothing of its own to the guest.
        `link set dev ${unnamed} alias ${tapAlias(mark)} name ${tap} mtu ${mtu} addrgenmode none up`,
      ]),
    ),
    tc: lines(taps.flatMap(({ link, tap }) => [...redirect(link, tap), ...redirect(tap, link)])),
  };
}

/**
 * What undoes {@link tapBatches}, however far that came, where there is a tap of the container's; tc's lines are first. Removing a device
 * removes what hangs on it, and the first one, by which the container is known, is the last. Each line is to be tried, whatever became
 * of those before it.
 */
export function tapTeardown(taps: readonly TapCard[], mark: string): Batches {
  return {
    tc: lines(taps.map(({ link }) => `qdisc delete dev ${link} ingress`)),
    ip: lines(
      [unnamedTap(mark), ...taps.map(({ tap }) => tap).toReversed()].map((name) => `link delete dev ${name}`),
    ),
  };
}

/** By it a tap says whose it is. */
export function tapAlias(mark: string): string {
  return `ucrun-${mark}`;
}

/** A tap that is not quite made yet. The kernel's names of interfaces have up to 15 characters. */
export function unnamedTap(mark: string): string {
  return `uct${mark}`;
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
