import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  mkdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { RuntimeError } from '../base/runtime-error.ts';
import { exists, makeDirectory, openRegularFile, readTextIfThere, writeFileAtomic } from '../host/files.ts';
import {
  type DeviceNode,
  findDevice,
  hostDirectories,
  isLink,
  mergedUsrLinks,
  withMountsBelow,
} from '../host/host-facts.ts';
import { makeMountPlace } from '../host/mount-place.ts';
import { readPortStart } from '../host/port-start.ts';
import { unstartedScript } from '../unikernel/launch-script.ts';
import { planPortStart } from '../unikernel/low-ports.ts';
import type { MachinePlan } from '../unikernel/machine.ts';
import { addedMemoryMiB } from '../unikernel/memory-plan.ts';
import { sandboxPaths } from '../unikernel/sandbox-paths.ts';
import type { Spec } from '../unikernel/spec.ts';
import { rootTag } from '../unikernel/volumes.ts';
import type { ContainerCall } from './container.ts';
import type { MonitorUser } from './monitor-user.ts';
import type { ContainerRecord, NetworkIntent } from './record.ts';
import type { ResolvedUnikernel, UnikernelBundle } from './resolve-unikernel.ts';
import { enginePortStart, type SandboxMount, type SharedRoot, sandboxConfig } from './sandbox-config.ts';
import type { StatePaths } from './state-dir.ts';

/**
 * Write the sandbox's specification, its root and its launch folder into the container's state.
 * @param changeHooks what to do with the specification's hooks
 * @throws RuntimeError PORT_INVALID
 */
export function writeSandbox(
  { paths }: ContainerCall,
  { spec }: UnikernelBundle,
  unikernel: ResolvedUnikernel,
  record: ContainerRecord,
  user: MonitorUser,
  changeHooks: ((hooks: unknown) => unknown) | undefined,
): void {
  const { machine } = unikernel;
  makeDirectory(paths.launchDirectory, 0o755);
  makeDirectory(`${paths.launchDirectory}/run`, 0o755);
  writeFileAtomic(paths.launchScript, unstartedScript, 0o444);
  const readable = (path: string, what: string, name = what) =>
    readableFile({ path, what, copy: `${paths.copies}/${name}`, owner: record.uid.host });
  const directories = hostDirectories([
    machine.qemu,
    ...(machine.virtiofsd === undefined ? [] : [machine.virtiofsd]),
    ...(record.network.passt === undefined ? [] : [record.network.passt]),
  ]);
  const { content, mounts } = sandboxConfig({
    spec,
    machine,
    rootfs: paths.rootfs,
    launchDirectory: paths.launchDirectory,
    files: {
      kernel: kernelFile(unikernel, paths, readable),
      initrd: unikernel.initrd === undefined ? undefined : readable(unikernel.initrd, 'initrd'),
    },
    disks: record.disks.map(({ base, overlay }, index) => ({
      base: readable(base, 'disk', `base${index}`),
      overlay,
    })),
    volumes: unikernel.volumes,
    root: unikernel.root,
    user,
    devices: neededDevices(machine, record.network),
    hostDirectories: directories,
    inseparable: inseparable(directories, record.network),
    memoryOverheadMiB: addedMemoryMiB(machine.vmmMemory),
    portStart: neededPortStart(spec, record.network),
    hasPasst: record.network.passt !== undefined,
    hasScope: record.hasScope === true,
  });
  makeRootfs(paths.rootfs, mounts, unikernel.root);
  const withHooks = changeHooks === undefined ? content : { ...content, hooks: changeHooks(content.hooks) };
  writeFileAtomic(paths.sandboxConfig, JSON.stringify(withHooks), 0o600);
}

/**
 * Mounts that the namespaces of an ordinary user have from the host are locked: the kernel lets none of these users show what is
 * below them.
 * @see mount_namespaces(7), "Restrictions on mount namespaces"
 */
function inseparable(directories: readonly string[], { isRootless }: NetworkIntent): readonly string[] {
  return isRootless ? withMountsBelow(directories, readTextIfThere('/proc/self/mountinfo') ?? '') : [];
}

/** A kernel that is no file of its own becomes one beside the overlay of the disk that it is in. */
function kernelFile(
  { kernel, ownKernel }: ResolvedUnikernel,
  paths: StatePaths,
  readable: (path: string, name: string) => string,
): string | undefined {
  if (ownKernel === undefined) return kernel === undefined ? undefined : readable(kernel, 'kernel');
  const path = `${paths.overlays}/kernel`;
  writeFileSync(path, ownKernel.bytes);
  // Whatever the umask is: it is for the monitor's user.
  chmodSync(path, 0o444);
  return path;
}

/** @throws RuntimeError PORT_INVALID */
function neededPortStart(spec: Spec, network: NetworkIntent): number | undefined {
  return planPortStart({
    ...network,
    engineStart: enginePortStart(spec),
    sharedStart: () => readPortStart(network.isHostNetwork ? undefined : network.namespacePath),
  });
}

function neededDevices(machine: MachinePlan, network: NetworkIntent): readonly DeviceNode[] {
  const isTapPossible =
    !network.isHostNetwork && !network.isRootless && (network.mode === 'auto' || network.mode === 'tap');
  const wanted = [
    ...(machine.accelerator.kind === 'kvm' ? ['/dev/kvm'] : []),
    ...(isTapPossible ? ['/dev/net/tun'] : []),
    ...(isTapPossible && network.hasVhost ? ['/dev/vhost-net'] : []),
  ];
  return wanted.flatMap((path) => findDevice(path) ?? []);
}

/**
 * A root that is empty but for the links of a merged /usr and the places to mount on. crun would make those itself, but root of
 * a container with a user namespace may not write here.
 */
function makeRootfs(rootfs: string, mounts: readonly SandboxMount[], shared: SharedRoot | undefined): void {
  makeDirectory(rootfs, 0o755);
  for (const name of mergedUsrLinks) {
    if (isLink(`/${name}`)) symlinkSync(`usr/${name}`, `${rootfs}/${name}`);
  }
  // An engine's images may lack them, since runtimes make them in every container.
  if (shared !== undefined)
    for (const place of shared.kernels) makeMountPlace(shared.source, place, 'directory');
  const share = `${sandboxPaths.share(rootTag)}/`;
  for (const { destination, source, options } of mounts) {
    const isBind = options?.some((option) => option === 'bind' || option === 'rbind');
    const isFile = isBind === true && source !== undefined && statSync(source).isFile();
    if (shared !== undefined && destination.startsWith(share)) {
      // What is mounted inside of the container's own root file system has its place there, as in any container.
      makeMountPlace(shared.source, destination.slice(share.length - 1), isFile ? 'file' : 'directory');
      continue;
    }
    const place = `${rootfs}${destination}`;
    mkdirSync(isFile ? dirname(place) : place, { recursive: true, mode: 0o755 });
    if (isFile && !exists(place)) writeFileSync(place, '', { mode: 0o444 });
  }
}

interface ReadableRequest {
  readonly path: string;
  /** What the file is, for the message. */
  readonly what: string;
  /** Where a copy would be. */
  readonly copy: string;
  readonly owner: number;
}

/** Copies are kept in memory: this much of it is nobody's loss. */
const largestCopyBytes = 64 * 1024 * 1024;

/**
 * The file itself if everyone may read it, else a copy for the monitor's user, who is nobody's friend.
 * @throws RuntimeError KERNEL_INVALID for a file that is too large to copy, KERNEL_MISSING if there is no regular file any more
 */
function readableFile({ path, what, copy, owner }: ReadableRequest): string {
  // Copied is what was looked at, whatever comes to its place: its path was without links.
  const fd = openRegularFile(path, constants.O_NOFOLLOW);
  if (fd === undefined) throw new RuntimeError('KERNEL_MISSING', `${what} "${path}" is not a regular file`);
  try {
    const { mode, size } = fstatSync(fd);
    if ((mode & 0o004) !== 0) return path;
    if (size > largestCopyBytes) {
      throw new RuntimeError(
        'KERNEL_INVALID',
        `${what} "${path}" is not readable by all, and too large for a copy`,
        {
          hint: 'let all users read it (chmod o+r): the machine runs as a user of its own',
        },
      );
    }
    makeDirectory(dirname(copy), 0o711);
    copyFileSync(`/proc/self/fd/${fd}`, copy);
  } finally {
    closeSync(fd);
  }
  chmodSync(copy, 0o400);
  chownSync(copy, owner, -1);
  return copy;
}
