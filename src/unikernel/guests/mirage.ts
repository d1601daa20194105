import type { GuestNetwork } from '../network/types.ts';
import type { GuestSupport } from './guest.ts';
import { onlyCard } from './network-words.ts';
import { checkCount, fittingLine, unwritable } from './refusal.ts';

/** The buffer of Solo5's virtio binding, less the final zero. */
const maxCommandLineBytes = 8191;

/**
 * A MirageOS unikernel for Solo5's virtio target: `CMDLINE --ipv4=ADDRESS/LENGTH --ipv4-gateway=GATEWAY ARGUMENT …`. It has no
 * environment, and one card and one disk.
 * @see Solo5/solo5 bindings/virtio/platform.c, bindings/cmdline.c; mirage/parse-argv lib/parse_argv.ml; mirage/mirage
 * lib_runtime/mirage_runtime_network.ml
 */
export const mirage: GuestSupport = {
  powerButton: false,
  // Always the same, whatever the program returned. @see Solo5/solo5 bindings/virtio/platform.c, platform_exit()
  exitValues: { 41: 'ended' },
  formats: ['multiboot-elf'],
  bootsFromDisk: false,
  microvm: undefined,
  preferredModel: () => 'q35',
  prefersModernVirtio: false,
  hasRandomDevice: false,
  hasBalloon: false,
  defaultMemoryMiB: undefined,
  leastMemoryMiB: 2,
  roots: [],
  volumes: { shares: [], disk: true },
  network: { cards: 1, ipv6: true, multiqueue: false, asksForAddress: true },
  dropsProgramName: false,
  settingsIn: 'command-line',
  commandLine({ cmdline, args, network, volumes }) {
    const disks = volumes.map((volume) => (volume.kind === 'disk' ? volume.index + 1 : 0));
    checkCount(Math.max(0, ...disks), 'mirage', 1, 'disks');
    const free = cmdline.split(' ').filter((word) => word !== '');
    const words = [...free, ...networkWords(network, [...free, ...args]), ...args.map(argumentWord)];
    return fittingLine(words.join(' '), 'mirage', maxCommandLineBytes);
  },
};

/**
 * A unikernel may call its card something else, and then knows `--management-ipv4=` alone, and stops at an option that it does not
 * know: whoever writes such an option has said all there is to say.
 */
function networkWords(network: GuestNetwork | undefined, given: readonly string[]): readonly string[] {
  const card = onlyCard(network, 'mirage');
  const isAddress = (word: string) => /^--(?:\S+-)?ipv[46](?:-gateway)?(?:=|$)/.test(word);
  if (card === undefined || given.some(isAddress)) return [];
  const { ipv4, ipv4Gateway, ipv6, ipv6Gateway } = card;
  return [
    ...(ipv4 === undefined ? [] : [`--ipv4=${ipv4.address}/${ipv4.prefixLength}`]),
    ...(ipv4 === undefined || ipv4Gateway === undefined ? [] : [`--ipv4-gateway=${ipv4Gateway}`]),
    ...(ipv6 === undefined ? [] : [`--ipv6=${ipv6.address}/${ipv6.prefixLength}`]),
    ...(ipv6 === undefined || ipv6Gateway === undefined ? [] : [`--ipv6-gateway=${ipv6Gateway}`]),
  ];
}

/** A backslash makes the next character stand for itself. So does one before what Solo5 would take for its own. */
function argumentWord(argument: string): string {
  if (argument === '' || argument.includes('\0')) {
    throw unwritable(
      `argument ${JSON.stringify(argument)}`,
      'mirage',
      'its command line has no way to write an empty word',
    );
  }
  return argument.replaceAll(/[\s"\\]|^(?=--solo5:)/g, '\\$&');
}
