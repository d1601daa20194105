import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { RuntimeError } from '../base/runtime-error.ts';
import type { Mount } from '../unikernel/spec.ts';
import type { VolumeRequest } from '../unikernel/volumes.ts';

/** Where engines mount an init of theirs, which a machine does not need. */
export const engineInits: ReadonlySet<string> = new Set([
  '/run/podman-init',
  '/dev/init',
  '/sbin/docker-init',
]);

/**
 * What engines mount into every container for a process that reads it. A guest is told what is in resolv.conf, hosts and
 * hostname on its command line; the rest is not for it.
 */
const engineMounts: ReadonlySet<string> = new Set([
  ...engineInits,
  '/proc',
  '/dev',
  '/dev/pts',
  '/sys',
  '/sys/fs/cgroup',
  '/dev/shm',
  '/dev/mqueue',
  '/dev/console',
  '/dev/termination-log',
  '/etc/resolv.conf',
  '/etc/hosts',
  '/etc/hostname',
  '/run/.containerenv',
  '/run/secrets',
]);
const kubernetesSecrets = '/var/run/secrets/kubernetes.io/';

/** File systems that hold nothing of the user's when they are mounted. */
const emptyFileSystems: ReadonlySet<string | undefined> = new Set([
  'proc',
  'sysfs',
  'devpts',
  'mqueue',
  'cgroup',
  'cgroup2',
  'tmpfs',
]);

/**
 * The container's volumes: what somebody would miss. A volume that silently is not there loses data, so one of a kind that
 * cannot be handed to a guest is refused.
 * @param bundle what the path of a source may be relative to
 * @throws RuntimeError VOLUME_UNSUPPORTED
 */
export function volumeRequests(mounts: readonly Mount[], bundle: string): readonly VolumeRequest[] {
  return mounts
    .filter(
      (mount) =>
        !engineMounts.has(mount.destination) &&
        !mount.destination.startsWith(kubernetesSecrets) &&
        (isBind(mount) || !emptyFileSystems.has(mount.type)),
    )
    .map((mount) => volumeRequest(mount, bundle));
}

/** Where the container's user wants a file system in memory. A guest without one has lost nothing. */
export function tmpfsPaths(mounts: readonly Mount[]): readonly string[] {
  return mounts
    .filter((mount) => mount.type === 'tmpfs' && !isBind(mount) && !engineMounts.has(mount.destination))
    .map(({ destination }) => resolve('/', destination));
}

/** Where every Linux has file systems of its kernel's. */
export const kernelPlaces = ['/proc', '/sys', '/dev'] as const;

/**
 * The mounts that a guest finds in their places if its root is the container's own: all but those of the kernel's, which
 * a guest has from its own.
 */
export function mountsForRoot(mounts: readonly Mount[]): readonly Mount[] {
  return mounts.filter(
    ({ destination }) =>
      !engineInits.has(destination) &&
      !kernelPlaces.some((place) => destination === place || destination.startsWith(`${place}/`)),
  );
}

function volumeRequest(mount: Mount, bundle: string): VolumeRequest {
  const { destination } = mount;
  if (!isBind(mount)) {
    throw new RuntimeError(
      'VOLUME_UNSUPPORTED',
      `volume "${destination}" cannot be given to the guest: it is a file system of type "${mount.type ?? ''}"`,
      { hint: 'mount it on the host, and give the guest that directory' },
    );
  }
  if (mount.source === undefined || mount.source === '') {
    throw new RuntimeError(
      'VOLUME_UNSUPPORTED',
      `volume "${destination}" cannot be given to the guest: it has no source`,
      { hint: "say in the bundle's config.json which directory or file it is" },
    );
  }
  const source = resolve(bundle, mount.source);
  const stat = statSync(source, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new RuntimeError('VOLUME_UNSUPPORTED', `source "${source}" of volume "${destination}" is missing`, {
      hint: 'make it on the host first',
    });
  }
  const sourceKind = stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : 'other';
  return { destination, source, sourceKind, readOnly: isReadOnly(mount) };
}

/** Where the options say so, the specification calls the type a dummy. @see opencontainers/runtime-spec v1.2.0 config.md, "Mounts" */
function isBind({ options, type }: Mount): boolean {
  return type === 'bind' || options.includes('bind') || options.includes('rbind');
}

/** Of `ro` and `rw` the last one counts, as for mount(8); docker writes `rro` where what is mounted below is to be read-only, too. */
export function isReadOnly({ options }: Pick<Mount, 'options'>): boolean {
  const last = options.findLast((option) => /^r?r[ow]$/.test(option));
  return last === 'ro' || last === 'rro';
}

/** The mount that brings the container's resolv.conf, which also says where its name servers are to be read. */
export function isResolvConf({ destination, source }: Mount): boolean {
  return destination === '/etc/resolv.conf' && source !== undefined;
}

/** The mount that brings the names that the engine or its user gave to addresses. */
export function isHostsFile({ destination, source }: Mount): boolean {
  return destination === '/etc/hosts' && source !== undefined;
}
