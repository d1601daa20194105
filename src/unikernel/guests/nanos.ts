import { mostCards } from '../network/types.ts';
import type { GuestSupport } from './guest.ts';
import { unmountable } from './refusal.ts';

/**
 * A Nanos image. Its kernel reads no command line: address, environment, arguments and mounts are in the root tuple of its file
 * system, where ucrun writes them before the start.
 * @see nanovms/nanos src/x86_64/kernel_machine.c, src/kernel/init.c, src/kernel/storage.c
 */
export const nanos: GuestSupport = {
  powerButton: true,
  exitValues: {},
  formats: ['pvh-elf'],
  bootsFromDisk: true,
  // It counts time by the PIT, and hangs without a word when there is a second I/O APIC.
  microvm: { pit: true, pic: false, rtc: true, ioapic2: false, kernelCommandLine: false, shares: false },
  preferredModel: () => 'q35',
  prefersModernVirtio: true,
  hasRandomDevice: true,
  hasBalloon: true,
  defaultMemoryMiB: 256,
  leastMemoryMiB: 96,
  roots: ['disk'],
  volumes: { shares: ['9p'], disk: true },
  network: { cards: mostCards, ipv6: true, multiqueue: false, asksForAddress: true },
  dropsProgramName: false,
  settingsIn: 'nanos-image',
  commandLine({ volumes }) {
    for (const volume of volumes) {
      if (volume.kind === 'share' && volume.file !== undefined)
        throw unmountable(volume.path, 'nanos', 'it can mount a directory, and no single file');
    }
    return '';
  },
};
