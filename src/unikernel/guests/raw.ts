import { RuntimeError } from '../../base/runtime-error.ts';
import { ipv4Mask } from '../ipv4.ts';
import { leastMicrovm } from '../microvm.ts';
import type { GuestInput, GuestSupport } from './guest.ts';
import { fittingLine } from './refusal.ts';

/** multiboot and PVH name no limit; QEMU's own loaders reserve a page. */
const maxCommandLineBytes = 4095;

/**
 * A kernel that ucrun knows nothing about: its command line is given as written. Placeholders in braces stand for what is
 * known only at start; a word with a placeholder that has no value is left out.
 */
export const raw: GuestSupport = {
  powerButton: true,
  exitValues: {},
  formats: ['pvh-elf', 'multiboot-elf'],
  bootsFromDisk: false,
  microvm: leastMicrovm,
  preferredModel: (format) => (format?.kind === 'pvh-elf' ? 'microvm' : 'q35'),
  prefersModernVirtio: false,
  hasRandomDevice: false,
  defaultMemoryMiB: undefined,
  leastMemoryMiB: 2,
  hasBalloon: false,
  roots: ['initrd', 'disk'],
  volumes: { shares: [], disk: true },
  dropsProgramName: false,
  settingsIn: 'command-line',
  commandLine(input) {
    const values = placeholderValues(input);
    const words = input.cmdline.split(' ').flatMap((word) => fillWord(word, values));
    const line = words.filter((word) => word !== '').join(' ');
    return fittingLine(line, 'raw', maxCommandLineBytes);
  },
};

/** The placeholders of a raw guest's command line, for documentation and error texts. */
export const placeholders = [
  'ipv4',
  'ipv4_prefix',
  'ipv4_mask',
  'ipv4_gateway',
  'ipv6',
  'ipv6_prefix',
  'ipv6_gateway',
  'dns',
  'mac',
  'hostname',
  'port',
  'args',
] as const;
type Placeholder = (typeof placeholders)[number];

function placeholderValues(input: GuestInput): Readonly<Record<Placeholder, string | undefined>> {
  const card = input.network?.cards[0];
  const address = card?.ipv4;
  return {
    ipv4: address?.address,
    ipv4_prefix: address === undefined ? undefined : String(address.prefixLength),
    ipv4_mask: address === undefined ? undefined : ipv4Mask(address.prefixLength),
    ipv4_gateway: card?.ipv4Gateway,
    ipv6: card?.ipv6?.address,
    ipv6_prefix: card?.ipv6 === undefined ? undefined : String(card.ipv6.prefixLength),
    ipv6_gateway: card?.ipv6Gateway,
    dns: input.network?.nameServers[0],
    mac: card?.mac,
    hostname: input.hostname === '' ? undefined : input.hostname,
    port: input.port === undefined ? undefined : String(input.port),
    args: input.args.length === 0 ? undefined : input.args.map(checkArgument).join(' '),
  };
}

function fillWord(
  word: string,
  values: Readonly<Record<Placeholder, string | undefined>>,
): readonly string[] {
  let isComplete = true;
  const filled = word.replaceAll(/\{([a-z0-9_]+)\}/g, (whole, name: string) => {
    if (!isPlaceholder(name)) return whole;
    const value = values[name];
    if (value === undefined) isComplete = false;
    return value ?? '';
  });
  return isComplete ? [filled] : [];
}

function isPlaceholder(name: string): name is Placeholder {
  return (placeholders as readonly string[]).includes(name);
}

/** A raw command line has no quoting that ucrun could know, so an argument must be one word. */
function checkArgument(argument: string): string {
  if (/^[\x21-\x7e]+$/.test(argument)) return argument;
  throw new RuntimeError(
    'GUEST_UNSUPPORTED',
    `argument ${JSON.stringify(argument)} cannot be given to a raw guest`,
    {
      hint: 'its command line has no quoting: an argument must be one word of printable ASCII',
    },
  );
}
