import { assertNever } from '../../base/assert-never.ts';
import { RuntimeError } from '../../base/runtime-error.ts';
import { leastMicrovm } from '../microvm.ts';
import { mostCards } from '../network/types.ts';
import { type GuestVolume, rootTag } from '../volumes.ts';
import type { GuestInput, GuestRoot, GuestSupport } from './guest.ts';
import { hostsValue, hostsWithin } from './linux-hosts.ts';
import { linuxNetworkWords } from './linux-network.ts';
import { fittingLine } from './refusal.ts';

/** COMMAND_LINE_SIZE on x86, less the final zero. @see Linux arch/x86/include/asm/setup.h */
const maxCommandLineBytes = 2047;

/**
 * With more than these, beside what it adds by itself, a kernel panics whose CONFIG_INIT_ENV_ARG_LIMIT is 32, as in every
 * distribution.
 * @see Linux init/main.c, unknown_bootoption() and set_init_arg()
 */
const maxVariables = 31;
const maxArguments = 32;

/**
 * A Linux kernel: `ip=` as in Documentation/admin-guide/nfs/nfsroot.rst, environment as `K=V` words, arguments for init
 * after `--`. Quoting as the kernel's lib/cmdline.c, next_arg(), has it: double quotes group, and nothing can escape one.
 */
export const linux: GuestSupport = {
  powerButton: true,
  exitValues: {},
  formats: ['bzimage', 'pvh-elf'],
  bootsFromDisk: false,
  microvm: leastMicrovm,
  // microvm has neither PCI nor firmware tables that an ordinary Linux could do without being built for it.
  preferredModel: () => 'q35',
  prefersModernVirtio: true,
  hasRandomDevice: true,
  defaultMemoryMiB: undefined,
  leastMemoryMiB: 2,
  hasBalloon: true,
  roots: ['initrd', 'disk', '9p'],
  volumes: { shares: ['9p', 'virtiofs'], disk: true },
  network: { cards: mostCards, ipv6: true, multiqueue: true, asksForAddress: true },
  takesSearchDomains: true,
  dropsProgramName: false,
  settingsIn: 'command-line',
  commandLine(input) {
    const network = linuxNetworkWords(input.network, input.hostname);
    const conventions = conventionWords(input, network.more);
    checkCount(input.env.length + conventions.length, maxVariables, 'environment variables');
    checkCount(input.args.length, maxArguments, 'arguments');
    const words = [
      'console=ttyS0',
      'panic=-1',
      'quiet',
      // Where the host is busy and emulates, the kernel finds its timer too slow to believe in, and panics.
      'no_timer_check',
      ...(input.cmdline === '' ? [] : [input.cmdline]),
      ...rootWords(input.root),
      ...(network.ip === undefined ? [] : [network.ip]),
      ...input.env.map(environmentWord),
      ...conventions,
      ...(input.args.length === 0 ? [] : ['--', ...input.args.map(argumentWord)]),
    ];
    return fittingLine(words.join(' '), 'linux', maxCommandLineBytes);
  },
  fittingHosts(input, hosts) {
    const without: GuestInput =
      input.network === undefined ? input : { ...input, network: { ...input.network, hosts: [] } };
    const line = linux.commandLine(without);
    const { more } = linuxNetworkWords(input.network, input.hostname);
    if (input.env.length + conventionWords(without, more).length >= maxVariables) return [];
    return hostsWithin(hosts, maxCommandLineBytes - Buffer.byteLength(`${line} ${hostsVariable}=`));
  },
};

const hostsVariable = 'UCRUN_HOSTS';

/** What init is told that the kernel has no word for. @param network what is left to say of the network */
function conventionWords(input: GuestInput, network: string | undefined): readonly string[] {
  const hosts = input.network?.hosts ?? [];
  return [
    ...(network === undefined ? [] : [environmentWord(`UCRUN_NETWORK=${network}`)]),
    ...(hosts.length === 0 ? [] : [environmentWord(`${hostsVariable}=${hostsValue(hosts)}`)]),
    ...workingDirectoryWords(input.workingDirectory),
    ...volumeWords(input.tmpfs ?? [], input.volumes),
  ];
}

function checkCount(count: number, most: number, what: string): void {
  if (count <= most) return;
  throw new RuntimeError('GUEST_UNSUPPORTED', `${count} ${what} cannot be given to a Linux guest`, {
    hint: `the kernel takes at most ${most} of them, and panics at more`,
  });
}

/** A memory disk is the root without a word. @see Linux Documentation/filesystems/9p.rst, Documentation/admin-guide/kernel-parameters.txt */
function rootWords(root: GuestRoot): readonly string[] {
  switch (root) {
    case 'none':
    case 'initrd':
      return [];
    case 'disk':
      return ['root=/dev/vda', 'rw'];
    case '9p':
      return [`root=${rootTag}`, 'rw', 'rootfstype=9p', `rootflags=${shareOptions}`];
    default:
      return assertNever(root);
  }
}

/** Messages of the usual 8 KiB would be many. Without a cache a program could not write through a mapping of a file. */
const shareOptions = 'trans=virtio,version=9p2000.L,msize=512000,cache=mmap';

/**
 * Linux mounts nothing but its root by itself: its init reads this variable, a list of `WHAT:PATH:OPTIONS`. WHAT is a 9p tag, a 9p
 * tag and a file's name in it, or a disk's device. A share over virtiofs is `virtiofs:WHAT:PATH:OPTIONS`: an init that does not know
 * them takes that for a 9p tag that nobody has, and fails.
 */
function volumeWords(tmpfs: readonly string[], volumes: readonly GuestVolume[]): readonly string[] {
  if (tmpfs.length + volumes.length === 0) return [];
  const entries = [
    // First, as a volume may be inside of one.
    ...tmpfs.map((path) => `tmpfs:${checkVolumePath(path)}:rw`),
    ...volumes.map((volume) => {
      const options = volume.readOnly ? 'ro' : 'rw';
      return `${volumeDevice(volume)}:${checkVolumePath(volume.path)}:${options}`;
    }),
  ];
  return [environmentWord(`UCRUN_VOLUMES=${entries.join(' ')}`)];
}

function volumeDevice(volume: GuestVolume): string {
  if (volume.kind === 'disk') return `/dev/vd${String.fromCharCode('a'.charCodeAt(0) + volume.index)}`;
  const place = volume.file === undefined ? volume.tag : `${volume.tag}/${checkVolumePath(volume.file)}`;
  return volume.driver === 'virtiofs' ? `virtiofs:${place}` : place;
}

/** In the list of volumes spaces and colons separate. */
function checkVolumePath(path: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (!/[\s:"\x00-\x1f\x7f]/.test(path)) return path;
  throw new RuntimeError(
    'VOLUME_UNSUPPORTED',
    `volume ${JSON.stringify(path)} cannot be given to a Linux guest`,
    { hint: 'mount it at a path without white space, colons and double quotes' },
  );
}

function workingDirectoryWords(directory: string | undefined): readonly string[] {
  return directory === undefined ? [] : [environmentWord(`UCRUN_WORKDIR=${directory}`)];
}

function environmentWord(entry: string): string {
  const equals = entry.indexOf('=');
  const name = equals === -1 ? entry : entry.slice(0, equals);
  const value = entry.slice(equals + 1);
  if (equals === -1 || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new RuntimeError(
      'GUEST_UNSUPPORTED',
      `environment variable ${JSON.stringify(name)} cannot be given to a Linux guest`,
      {
        hint: 'it must be NAME=VALUE, and its name letters, digits and underscores',
      },
    );
  }
  return `${name}=${quoted(value, `the value of environment variable "${name}"`)}`;
}

function argumentWord(argument: string): string {
  if (argument === '' || argument === '--') {
    throw new RuntimeError('GUEST_UNSUPPORTED', `argument "${argument}" cannot be given to a Linux guest`, {
      hint: 'the kernel drops empty arguments, and stops reading at a second "--"',
    });
  }
  return quoted(argument, `argument ${JSON.stringify(argument)}`);
}

function quoted(text: string, what: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/["\x00-\x1f\x7f]/.test(text)) {
    throw new RuntimeError('GUEST_UNSUPPORTED', `${what} cannot be given to a Linux guest`, {
      hint: "the kernel's command line has no way to write a double quote or a control character",
    });
  }
  // To the kernel byte 0xa0, which many a letter ends with in UTF-8, is white space: quote all that is not plain.
  return /^[\x21-\x7e]*$/.test(text) ? text : `"${text}"`;
}
