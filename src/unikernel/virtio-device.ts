import type { MachinePlan } from './machine.ts';

/**
 * A virtio device for QEMU's `-device`, on the machine's bus: `virtio-net-pci,disable-legacy=on,netdev=net0`.
 * @param options in QEMU's words, such as `netdev=net0`
 * @see QEMU hw/virtio/virtio-pci.c, "disable-legacy"
 */
export function virtioDevice(
  { bus, modernVirtio }: Pick<MachinePlan, 'bus' | 'modernVirtio'>,
  kind: 'net' | 'blk' | '9p' | 'rng' | 'balloon',
  options: readonly string[] = [],
): string {
  const device = bus === 'mmio' ? 'device' : 'pci';
  const legacy = bus === 'pci' && modernVirtio ? ['disable-legacy=on'] : [];
  return [`virtio-${kind}-${device}`, ...legacy, ...options].join(',');
}
