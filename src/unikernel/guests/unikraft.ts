import { assertNever } from '../../base/assert-never.ts';
import { ipv4Mask } from '../ipv4.ts';
import type { GuestNetwork, NetworkCard } from '../network/types.ts';
import { type GuestVolume, rootTag } from '../volumes.ts';
import type { GuestRoot, GuestSupport } from './guest.ts';
import { ipv4NameServers, plainHostname } from './network-words.ts';
import { checkCount, fittingLine, unmountable, unwritable } from './refusal.ts';
import { singleQuoted } from './single-quotes.ts';
import { type UnikraftFeatures, unikraftFeatures } from './unikraft-version.ts';
import { splitVariable } from './variable.ts';

/** LIBUKBOOT_CMDLINE_MAX_LEN is 4096, with a final zero; QEMU puts the kernel's path and a space before the line. */
const maxCommandLineBytes = 4077;

/** LIBUKBOOT_MAXNBARGS is 60, of which the kernel's path is one, and in the last one quotes stay. */
const maxWords = 58;

/** LIBUKNETDEV_EINFO_LIBPARAM_MAXCOUNT */
const maxCards = 4;

/**
 * A Unikraft kernel: `NAME PARAMETER=VALUE … -- ARGUMENT …`. Without `--` no parameter would be read, and without a word before it
 * neither; the program's argv[0] is the kernel's path, which QEMU adds. A parameter that the kernel was not built with it ignores.
 * @see unikraft/unikraft lib/ukargparse/argparse.c, lib/uklibparam/parser.c, lib/ukboot/early_init.c, lib/posix-environ/environ.c
 */
export const unikraft: GuestSupport = {
  // Only what was built with LIBUKBOOT_SHUTDOWNREQ_HANDLER listens to it.
  powerButton: false,
  // The program's own status is lost. @see unikraft/unikraft plat/common/x86/cpu_native.c
  exitValues: { 41: 'ended', 42: 'crashed' },
  formats: ['multiboot-elf', 'pvh-elf'],
  bootsFromDisk: false,
  microvm: undefined,
  preferredModel: () => 'q35',
  prefersModernVirtio: false,
  hasRandomDevice: false,
  hasBalloon: false,
  defaultMemoryMiB: undefined,
  leastMemoryMiB: 2,
  roots: ['initrd', '9p'],
  volumes: { shares: ['9p'], disk: false },
  network: { cards: maxCards, ipv6: false, multiqueue: false, asksForAddress: true },
  dropsProgramName: false,
  settingsIn: 'command-line',
  commandLine(input) {
    const features = unikraftFeatures(input.version);
    const free = input.cmdline.split(/\s+/).filter((word) => word !== '');
    const words = [
      'unikernel',
      ...free,
      ...networkWords(input.network, input.hostname, features),
      ...input.env.map(environmentWord),
      ...fileSystemWords(input.root, input.volumes, features),
      '--',
      ...input.args.map(argumentWord),
    ];
    checkCount(words.length, 'unikraft', maxWords, 'words');
    return fittingLine(words.join(' '), 'unikraft', maxCommandLineBytes);
  },
};

function networkWords(
  network: GuestNetwork | undefined,
  hostname: string | undefined,
  features: UnikraftFeatures,
): readonly string[] {
  // A card without an address asks DHCP, if its kernel can. What comes behind it keeps its place.
  const last = network?.cards.findLastIndex(({ ipv4 }) => ipv4 !== undefined) ?? -1;
  const cards = network?.cards.slice(0, last + 1) ?? [];
  if (network === undefined || cards.length === 0) return [];
  const servers = ipv4NameServers(network);
  if (!features.hasCardWords) return listWords(cards, features.hasNameServerWord ? servers[0] : undefined);
  checkCount(cards.length, 'unikraft', maxCards, 'network cards');
  return cards.map(({ ipv4, ipv4Gateway = '' }, index) => {
    if (ipv4 === undefined) return 'netdev.ip=';
    const [first = '', second = ''] = servers;
    const name = (index === 0 ? plainHostname(hostname) : undefined) ?? '';
    const fields = [`${ipv4.address}/${ipv4.prefixLength}`, ipv4Gateway, first, second, name];
    return `netdev.ip=${fields.join(':').replace(/:+$/, '')}`;
  });
}

/** Each card takes the next value of each list, so that a missing one must be there as something. */
function listWords(cards: readonly NetworkCard[], nameServer: string | undefined): readonly string[] {
  const nothing = '0.0.0.0';
  const list = (values: readonly string[]) => singleQuoted(values.join(' '));
  const words = [
    `netdev.ipv4_addr=${list(cards.map(({ ipv4 }) => ipv4?.address ?? nothing))}`,
    `netdev.ipv4_subnet_mask=${list(cards.map(({ ipv4 }) => (ipv4 === undefined ? nothing : ipv4Mask(ipv4.prefixLength))))}`,
    `netdev.ipv4_gw_addr=${list(cards.map(({ ipv4Gateway }) => ipv4Gateway ?? nothing))}`,
  ];
  return nameServer === undefined ? words : [...words, `netdev.ipv4_dns0_addr=${nameServer}`];
}

/**
 * A word for each, and not a list in brackets: there a value that ends in a bracket would end the list. They are read by a kernel
 * with LIBPOSIX_ENVIRON_LIBPARAM.
 */
function environmentWord(entry: string): string {
  splitVariable(entry, 'unikraft', /^[^=[][^=]*$/);
  return `env.vars=${singleQuoted(entry)}`;
}

/** Read by a kernel with LIBVFSCORE_AUTOMOUNT_UP; before 0.16.1 it was LIBVFSCORE_FSTAB. */
function fileSystemWords(
  root: GuestRoot,
  volumes: readonly GuestVolume[],
  { hasFstab, initrdEntry }: UnikraftFeatures,
): readonly string[] {
  if (hasFstab) {
    const entries = [...rootEntries(root, initrdEntry), ...volumes.map(volumeEntry)];
    return entries.map((entry) => `vfs.fstab=${singleQuoted(entry)}`);
  }
  const [first] = volumes;
  if (first !== undefined)
    throw unmountable(first.path, 'unikraft', 'its version is too old to mount anything but a root');
  switch (root) {
    case 'initrd':
      return ['vfs.rootfs=initrd'];
    case '9p':
      return ['vfs.rootfs=9pfs', `vfs.rootdev=${rootTag}`];
    case 'none':
    case 'disk':
      return [];
    default:
      return assertNever(root);
  }
}

function rootEntries(root: GuestRoot, initrdEntry: string): readonly string[] {
  switch (root) {
    case 'initrd':
      return [initrdEntry];
    case '9p':
      return [`${rootTag}:/:9pfs`];
    case 'none':
    case 'disk':
      return [];
    default:
      return assertNever(root);
  }
}

/** `mkmp` makes the directory that it is mounted on. That it is read-only QEMU sees to as well. */
function volumeEntry(volume: GuestVolume): string {
  const { path, readOnly } = volume;
  if (volume.kind === 'disk') throw unmountable(path, 'unikraft', 'it takes directories, and no disk images');
  if (volume.file !== undefined)
    throw unmountable(path, 'unikraft', 'it can mount a directory, and no single file');
  if (/[:\0]/.test(path))
    throw unmountable(path, 'unikraft', 'a colon ends the path in its table of file systems');
  return `${volume.tag}:${path}:9pfs:${readOnly ? '1' : ''}::mkmp`;
}

function argumentWord(argument: string): string {
  if (argument === '' || argument.includes('\0')) {
    throw unwritable(
      `argument ${JSON.stringify(argument)}`,
      'unikraft',
      'its command line has no way to write an empty word',
    );
  }
  return singleQuoted(argument);
}
