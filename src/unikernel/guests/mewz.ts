import type { GuestNetwork } from '../network/types.ts';
import type { GuestSupport } from './guest.ts';
import { onlyCard } from './network-words.ts';
import { fittingLine, unwritable } from './refusal.ts';

/** It names no limit; a page is what others keep to. */
const maxCommandLineBytes = 4095;

/**
 * A Mewz kernel with its WebAssembly program: `ip=ADDRESS/LENGTH gateway=GATEWAY`. It has neither environment nor arguments.
 * @see mewz-project/mewz src/param.zig, scripts/run-qemu.sh
 */
export const mewz: GuestSupport = {
  powerButton: false,
  exitValues: {},
  formats: ['multiboot-elf'],
  bootsFromDisk: false,
  microvm: undefined,
  preferredModel: () => 'q35',
  prefersModernVirtio: true,
  hasRandomDevice: false,
  hasBalloon: false,
  defaultMemoryMiB: 512,
  leastMemoryMiB: 16,
  roots: [],
  volumes: { shares: [], disk: false },
  network: { cards: 1, ipv6: false, multiqueue: false, asksForAddress: false },
  dropsProgramName: true,
  settingsIn: 'command-line',
  commandLine({ cmdline, args, network }) {
    const [argument] = args;
    if (argument !== undefined)
      throw unwritable(`argument ${JSON.stringify(argument)}`, 'mewz', 'its programs have no arguments');
    const words = [...networkWords(network), ...(cmdline === '' ? [] : [cmdline])];
    return fittingLine(words.join(' '), 'mewz', maxCommandLineBytes);
  },
};

/** Without all three it has no network at all. */
function networkWords(network: GuestNetwork | undefined): readonly string[] {
  const card = onlyCard(network, 'mewz');
  if (card?.ipv4 === undefined) return [];
  const { address, prefixLength } = card.ipv4;
  return [`ip=${address}/${prefixLength}`, `gateway=${card.ipv4Gateway ?? '0.0.0.0'}`];
}
