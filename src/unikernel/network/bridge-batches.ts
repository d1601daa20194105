import type { TapPlan } from './types.ts';

/**
 * The lines for `ip -batch -` that make taps, each as a port of its bridge.
 * @param ownerUid the uid that may open the taps, which needs no capability for it
 * @param owner what the taps are there for, without spaces: people see it in `ip link`
 * @see ip-tuntap(8), ip-link(8)
 */
export function bridgeBatch({ taps, guest }: TapPlan, ownerUid: number, owner: string): string {
  return lines(
    taps.flatMap(({ tap, link, mtu, queues }, index) => [
      `tuntap add dev ${tap} mode tap user ${ownerUid} vnet_hdr${queues > 1 ? ' multi_queue' : ''}`,
      // Without an address of its own the kernel sends nothing of its own to the guest.
      `link set dev ${tap} address ${portMac(guest.cards[index]?.mac ?? '')} mtu ${mtu} alias ${owner} addrgenmode none`,
      `link set dev ${tap} master ${link} up`,
    ]),
  );
}

/** What undoes {@link bridgeBatch}; each line is to be tried, whatever became of those before it. */
export function removalBatch(taps: readonly string[]): string {
  return lines(taps.map((tap) => `link delete dev ${tap}`));
}

/**
 * The host's side has another hardware address than the guest's. A bridge takes the lowest of its ports' for its own, and a port that
 * comes and goes must not change it, so it is a high one.
 */
function portMac(mac: string): string {
  return `${mac.startsWith('fe') ? 'fa' : 'fe'}${mac.slice(2)}`;
}

function lines(commands: readonly string[]): string {
  return commands.map((line) => `${line}\n`).join('');
}
