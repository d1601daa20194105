import { ipv4Mask } from '../ipv4.ts';
import { type GuestNetwork, mostCards } from '../network/types.ts';
import type { GuestSupport } from './guest.ts';
import { ipv4NameServers } from './network-words.ts';
import { fittingLine, unwritable } from './refusal.ts';
import { splitVariable } from './variable.ts';

/** Started by PVH it names no limit; a page is what others keep to. */
const maxCommandLineBytes = 4095;

/**
 * An OSv kernel: `--ip=eth0,ADDRESS,MASK --defaultgw=GATEWAY --nameserver=SERVER --env=K=V … CMDLINE COMMAND ARGUMENT …`. It reads
 * the options by other rules than the command.
 * @see cloudius-systems/osv loader.cc, core/commands.cc, core/options.cc, libc/string/stresep.c, arch/x64/entry-xen.S
 */
export const osv: GuestSupport = {
  powerButton: true,
  exitValues: {},
  formats: ['pvh-elf'],
  bootsFromDisk: false,
  microvm: undefined,
  preferredModel: () => 'q35',
  prefersModernVirtio: false,
  hasRandomDevice: true,
  hasBalloon: false,
  defaultMemoryMiB: 256,
  leastMemoryMiB: 11,
  roots: ['disk'],
  volumes: { shares: [], disk: false },
  network: { cards: mostCards, ipv6: false, multiqueue: false, asksForAddress: true },
  dropsProgramName: false,
  settingsIn: 'command-line',
  commandLine({ cmdline, args, env, network, workingDirectory }) {
    const options = [
      ...networkOptions(network),
      ...env.map(environmentOption),
      ...(workingDirectory === undefined ? [] : [`--cwd=${workingDirectory}`]),
    ];
    const words = [
      ...options.map(optionWord),
      ...(cmdline === '' ? [] : [cmdline]),
      ...args.map(argumentWord),
    ];
    return fittingLine(words.join(' '), 'osv', maxCommandLineBytes);
  },
};

function networkOptions(network: GuestNetwork | undefined): readonly string[] {
  if (network === undefined) return [];
  const addresses = network.cards.flatMap(({ ipv4 }, index) =>
    ipv4 === undefined ? [] : [`--ip=eth${index},${ipv4.address},${ipv4Mask(ipv4.prefixLength)}`],
  );
  const gateway = network.cards.find(({ ipv4Gateway }) => ipv4Gateway !== undefined)?.ipv4Gateway;
  const [server] = ipv4NameServers(network);
  return [
    ...addresses,
    ...(gateway === undefined ? [] : [`--defaultgw=${gateway}`]),
    ...(server === undefined ? [] : [`--nameserver=${server}`]),
  ];
}

function environmentOption(entry: string): string {
  splitVariable(entry, 'osv', /^[^=]+$/);
  return `--env=${entry}`;
}

/** In an option a backslash makes the next character stand for itself, and nothing else quotes. */
function optionWord(option: string): string {
  if (option.includes('\0'))
    throw unwritable(JSON.stringify(option), 'osv', 'a zero byte ends the command line');
  return option.replaceAll(/[ \t\n\\]/g, '\\$&');
}

/** In the command double quotes group. A dollar sign asks for a variable even there, and whatever is not ASCII ends it. */
function argumentWord(argument: string): string {
  if (/[$\0\x80-\uffff]/.test(argument)) {
    throw unwritable(
      `argument ${JSON.stringify(argument)}`,
      'osv',
      'its command line has no way to write a dollar sign, or a letter that is not ASCII',
    );
  }
  if (/^[A-Za-z0-9_./:=,+%@][A-Za-z0-9_./:=,+%@-]*$/.test(argument)) return argument;
  return `"${argument.replaceAll(/["\\]/g, '\\$&')}"`;
}
