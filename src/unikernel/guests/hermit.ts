import { ipv4Mask } from '../ipv4.ts';
import type { GuestNetwork } from '../network/types.ts';
import type { GuestSupport } from './guest.ts';
import { ipv4NameServers, onlyCard } from './network-words.ts';
import { fittingLine, unwritable } from './refusal.ts';
import { singleQuoted } from './single-quotes.ts';
import { splitVariable } from './variable.ts';

/** Neither loader nor kernel names a limit; a page is what others keep to. */
const maxCommandLineBytes = 4095;

/**
 * A Hermit application, which is the initrd of Hermit's loader: `-ip ADDRESS -mask MASK -gateway GATEWAY env=K=V … -- ARGUMENT …`.
 * Words are split as a shell does it.
 * @see hermit-os/kernel src/env/mod.rs, src/executor/device.rs; hermit-os/loader src/arch/x86_64/platform/multiboot/mod.rs
 */
export const hermit: GuestSupport = {
  powerButton: false,
  exitValues: {},
  formats: ['multiboot-elf'],
  bootsFromDisk: false,
  microvm: undefined,
  preferredModel: () => 'q35',
  prefersModernVirtio: true,
  hasRandomDevice: false,
  hasBalloon: false,
  defaultMemoryMiB: undefined,
  leastMemoryMiB: 2,
  roots: [],
  volumes: { shares: [], disk: false },
  network: { cards: 1, ipv6: false, multiqueue: false, asksForAddress: true },
  dropsProgramName: false,
  settingsIn: 'command-line',
  commandLine({ cmdline, version, network, env, args }) {
    const hasEnvironment = !isBeforeEnvironment(version);
    const words = [
      ...(cmdline === '' ? [] : [cmdline]),
      ...networkWords(network, hasEnvironment),
      ...(hasEnvironment ? env.map(environmentWord) : []),
      ...(args.length === 0 ? [] : ['--', ...args.map(argumentWord)]),
    ];
    return fittingLine(words.join(' '), 'hermit', maxCommandLineBytes);
  },
};

/** Before 0.10 a word such as `env=K=V` was one too many, and the kernel panicked. */
function isBeforeEnvironment(version: string | undefined): boolean {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  return major === '0' && Number(minor) < 10;
}

function networkWords(network: GuestNetwork | undefined, hasEnvironment: boolean): readonly string[] {
  const card = onlyCard(network, 'hermit');
  if (network === undefined || card?.ipv4 === undefined) return [];
  const { address, prefixLength } = card.ipv4;
  // It is a variable like others; what the user sets comes behind it and wins.
  const servers = hasEnvironment ? ipv4NameServers(network).slice(0, 2) : [];
  return [
    `-ip ${address}`,
    `-mask ${ipv4Mask(prefixLength)}`,
    ...(card.ipv4Gateway === undefined ? [] : [`-gateway ${card.ipv4Gateway}`]),
    ...servers.map((server, index) => `env=HERMIT_DNS${index + 1}=${server}`),
  ];
}

function environmentWord(entry: string): string {
  splitVariable(entry, 'hermit', /^[^=]+$/);
  return `env=${singleQuoted(entry)}`;
}

function argumentWord(argument: string): string {
  if (!argument.includes('\0')) return singleQuoted(argument);
  throw unwritable(`argument ${JSON.stringify(argument)}`, 'hermit', 'a zero byte ends the command line');
}
