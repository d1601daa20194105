import { RuntimeError } from '../../base/runtime-error.ts';
import type { GuestInput } from '../guests/guest.ts';
import type { GuestVolume } from '../volumes.ts';
import type { NanosCard, NanosMount, NanosSettings } from './settings.ts';

/** Nanos learns an IPv6 address of its own from a router, unless it is told one of a network of this size. */
const ipv6PrefixLength = 64;

/**
 * What a Nanos guest is told, in place of a command line, by a change of its image.
 * @throws RuntimeError VOLUME_UNSUPPORTED for what Nanos cannot mount
 */
export function nanosSettings(input: GuestInput): NanosSettings {
  const { env, args, workingDirectory, hostname, network, volumes } = input;
  let shares = 0;
  const mounts = volumes.map((volume): NanosMount => {
    const { path, readOnly } = volume;
    return {
      volume: volume.kind === 'share' ? `%${shareNumber(volume, shares++)}` : (volume.label ?? ''),
      path,
      isReadOnly: readOnly,
    };
  });
  checkNames(mounts);
  const nameServers = network?.nameServers ?? [];
  return {
    env,
    args: args.length === 0 ? undefined : args,
    cwd: workingDirectory,
    cards: (network?.cards ?? []).map(
      ({ ipv4, ipv4Gateway, ipv6, mtu }): NanosCard => ({
        ipv4,
        ipv4Gateway,
        ipv6: ipv6?.prefixLength === ipv6PrefixLength ? ipv6.address : undefined,
        mtu,
      }),
    ),
    mounts,
    files: [
      ...(nameServers.length === 0 ? [] : [{ path: '/etc/resolv.conf', content: resolvConf(nameServers) }]),
      ...(hostname === undefined || hostname === ''
        ? []
        : [{ path: '/etc/hostname', content: Buffer.from(`${hostname}\n`) }]),
    ],
  };
}

/** Of volumes with one name Nanos would mount whichever it finds. */
function checkNames(mounts: readonly NanosMount[]): void {
  const names = mounts.map(({ volume }) => volume);
  const second = mounts.find(({ volume }, index) => names.indexOf(volume) < index);
  if (second === undefined) return;
  throw new RuntimeError(
    'VOLUME_UNSUPPORTED',
    `volume "${second.path}" cannot be given to a guest of type "nanos": another volume is called "${second.volume}", too`,
    { hint: 'give each of them a label of its own when it is made' },
  );
}

/** Shares are numbered in the order of their devices. */
function shareNumber(volume: Extract<GuestVolume, { kind: 'share' }>, number: number): number {
  if (volume.file === undefined) return number;
  throw new RuntimeError(
    'VOLUME_UNSUPPORTED',
    `volume "${volume.path}" cannot be given to a guest of type "nanos": it is a file`,
    { hint: 'give the guest the directory that the file is in' },
  );
}

function resolvConf(nameServers: readonly string[]): Uint8Array {
  return Buffer.from(nameServers.map((server) => `nameserver ${server}\n`).join(''));
}
