import type { MachinePlan } from './machine.ts';

/**
 * A virtio device for QEMU's `-device`, on the machine's bus: `virtio-net-pci,disable-legacy=on,netdev=net0`.
 * A device that vhost-user serves has no older interface that one could keep from it.
 * @param options in QEMU's words, such as `netdev=net0`
 * @see QEMU hw/virtio/virtio-pci.c, "disable-legacy"
 */
export function virtioDevice(
  { bus, modernVirtio }: Pick<MachinePlan, 'bus' | 'modernVirtio'>,
  kind: 'net' | 'blk' | '9p' | 'rng' | 'balloon' | 'vhost-user-fs',
  options: readonly string[] = [],
): string {
  const device = bus === 'mmio' ? 'device' : 'pci';
  const legacy = bus === 'pci' && modernVirtio ? ['disable-legacy=on'] : [];
  if (kind === 'vhost-user-fs') return [`${kind}-${device}`, ...options].join(',');
  return [`virtio-${kind}-${device}`, ...legacy, ...options].join(',');
}
