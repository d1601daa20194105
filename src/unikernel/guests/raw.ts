import { RuntimeError } from '../../base/runtime-error.ts';
import { ipv4Mask } from '../ipv4.ts';
import { leastMicrovm } from '../microvm.ts';
import { mostCards, type NetworkCard } from '../network/types.ts';
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
  network: { cards: mostCards, ipv6: true, multiqueue: false, asksForAddress: true },
  isToldAddress: (cmdline) => /\{ipv[46](?::[1-9])?\}/.test(cmdline),
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
type Values = Readonly<Partial<Record<string, string>>>;

/** Those that differ by network card; `{ipv4:2}` is that of the second. */
const cardPlaceholders = [
  'ipv4',
  'ipv4_prefix',
  'ipv4_mask',
  'ipv4_gateway',
  'ipv6',
  'ipv6_prefix',
  'ipv6_gateway',
  'mac',
] as const satisfies readonly Placeholder[];

/** What the placeholders stand for that the guest has a value for. */
function placeholderValues(input: GuestInput): Values {
  const cards = input.network?.cards ?? [];
  const ofCards = cards.flatMap((card, index) =>
    Object.entries(cardValues(card)).flatMap(([name, value]) => [
      ...(index === 0 ? [[name, value] as const] : []),
      [`${name}:${index + 1}`, value] as const,
    ]),
  );
  const others: Record<Exclude<Placeholder, (typeof cardPlaceholders)[number]>, string | undefined> = {
    dns: input.network?.nameServers[0],
    hostname: input.hostname === '' ? undefined : input.hostname,
    port: input.port === undefined ? undefined : String(input.port),
    args: input.args.length === 0 ? undefined : input.args.map(checkArgument).join(' '),
  };
  return Object.fromEntries([...ofCards, ...Object.entries(others)]);
}

function cardValues({
  mac,
  ipv4,
  ipv4Gateway,
  ipv6,
  ipv6Gateway,
}: NetworkCard): Record<(typeof cardPlaceholders)[number], string | undefined> {
  return {
    ipv4: ipv4?.address,
    ipv4_prefix: ipv4 === undefined ? undefined : String(ipv4.prefixLength),
    ipv4_mask: ipv4 === undefined ? undefined : ipv4Mask(ipv4.prefixLength),
    ipv4_gateway: ipv4Gateway,
    ipv6: ipv6?.address,
    ipv6_prefix: ipv6 === undefined ? undefined : String(ipv6.prefixLength),
    ipv6_gateway: ipv6Gateway,
    mac,
  };
}

function fillWord(word: string, values: Values): readonly string[] {
  let isComplete = true;
  const filled = word.replaceAll(/\{([a-z0-9_]+)(?::([1-9]))?\}/g, (whole, name: string, card?: string) => {
    if (!isPlaceholder(name) || (card !== undefined && !isOfCard(name))) return whole;
    const value = values[card === undefined ? name : `${name}:${card}`];
    if (value === undefined) isComplete = false;
    return value ?? '';
  });
  return isComplete ? [filled] : [];
}

function isPlaceholder(name: string): name is Placeholder {
  return (placeholders as readonly string[]).includes(name);
}

function isOfCard(name: string): boolean {
  return (cardPlaceholders as readonly string[]).includes(name);
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
