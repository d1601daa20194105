import { realpathSync, statSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { checkQcow2Volume } from '../host/disk-image.ts';
import { findPasst } from '../host/find-passt.ts';
import { findQemu } from '../host/find-qemu.ts';
import { findVirtiofsd } from '../host/find-virtiofsd.ts';
import { canOpenDevice, findDevice, isOpenToAll } from '../host/host-facts.ts';
import { kernelFormatOf, withVersion } from '../host/kernel-file.ts';
import { proveKvm } from '../host/kvm-proof.ts';
import { type OwnKernel, readNanosKernel } from '../host/nanos-image.ts';
import { namespaceId } from '../host/network-namespace.ts';
import { registriesFor } from '../host/registry.ts';
import { placeInRootfs } from '../host/rootfs-path.ts';
import { findUnikernelFiles, type UnikernelFiles } from '../host/unikernel-files.ts';
import { chooseAccelerator } from '../unikernel/accelerator.ts';
import { rootOf, shareDriverOf, type UnikernelDefinition } from '../unikernel/definition.ts';
import { isPodMember, type UnikernelSource } from '../unikernel/detect.ts';
import { guests } from '../unikernel/guests/index.ts';
import { type MachinePlan, planMachine } from '../unikernel/machine.ts';
import { networkMode } from '../unikernel/network/mode.ts';
import { type PortMapping, parsePorts } from '../unikernel/ports.ts';
import { environmentValue, findNamespace, type Spec } from '../unikernel/spec.ts';
import { type PlannedVolume, planVolumes, rootTag } from '../unikernel/volumes.ts';
import type { ContainerCall } from './container.ts';
import {
  isHostsFile,
  isResolvConf,
  kernelPlaces,
  mountsForRoot,
  volumeRequests,
} from './container-volumes.ts';
import type { NetworkIntent } from './record.ts';
import type { SharedRoot } from './sandbox-config.ts';

/** A container that carries a unikernel, as found in its bundle. */
export interface UnikernelBundle {
  /** Absolute. */
  readonly bundle: string;
  readonly spec: Spec;
  readonly source: UnikernelSource;
}

/** What does not depend on this ucrun's state: the unikernel, its files, and the machine for it. */
export interface ResolvedUnikernel extends UnikernelFiles {
  /** A kernel that is in one of its disks, and no file of its own. */
  readonly ownKernel: OwnKernel | undefined;
  readonly volumes: readonly PlannedVolume[];
  readonly root: SharedRoot | undefined;
  readonly machine: MachinePlan;
  readonly ports: readonly PortMapping[];
  readonly network: NetworkIntent;
}

/**
 * Find the unikernel's files and plan its machine; nothing is written but what is remembered of KVM.
 * @throws RuntimeError for everything that is wrong with the unikernel or missing on the host
 */
export function resolveUnikernel(call: ContainerCall, found: UnikernelBundle): ResolvedUnikernel {
  const { config, env, paths } = call;
  const { spec } = found;
  const sources = { ...registriesFor(config, env), vmDirectories: config.vmDirectories };
  const files = withVersion(findUnikernelFiles(found.source, sources, () => realpathOfRootfs(found)));
  const { definition, kernel, initrd, disks } = files;
  const ownKernel =
    kernel === undefined && guests[definition.guest].settingsIn === 'nanos-image'
      ? readNanosKernel(disks[0] ?? '')
      : undefined;
  const format = ownKernel?.format ?? kernelFormatOf(files);
  const volumes = volumesOf(found, definition);
  const root = sharedRoot(found, definition);
  const isVirtiofs = volumes.some(({ guest }) => guest.kind === 'share' && guest.driver === 'virtiofs');
  const qemu = findQemu(config.vmm.qemu, env.PATH);
  const accelerator = chooseAccelerator(config.vmm.accelerator, () =>
    call.isHostRoot || isOpenToAll('/dev/kvm')
      ? proveKvm(paths.stateRoot, qemu)
      : {
          works: false,
          reason: 'the monitor has a user of its own, which may not open /dev/kvm (chmod o+rw)',
        },
  );
  call.log('accelerator chosen', { ...accelerator });
  const port = environmentValue(spec, 'PORT');
  const ports = port === undefined ? definition.ports : parsePorts(port, 'PORT');
  const network = networkIntent(call, spec, ports, definition);
  return {
    ...files,
    ownKernel,
    volumes,
    root,
    ports,
    machine: planMachine({
      definition,
      format,
      volumes,
      rootShare: root === undefined ? undefined : { driver: '9p', tag: rootTag, readOnly: root.readOnly },
      limits: spec,
      config,
      accelerator,
      qemu,
      virtiofsd: isVirtiofs ? findVirtiofsd(config.vmm.virtiofsd, env.PATH) : undefined,
      hasPasst: network.passt !== undefined,
      loadedBytes: sizeOf(kernel) + (ownKernel?.bytes.length ?? 0) + sizeOf(initrd),
    }),
    network,
  };
}

/** What of the container's volumes the guest finds where. */
function volumesOf(
  { spec, bundle }: UnikernelBundle,
  definition: UnikernelDefinition,
): readonly PlannedVolume[] {
  if (rootOf(definition) === '9p') return [];
  const { guest, disks } = definition;
  const takes = { share: shareDriverOf(definition), disk: guests[guest].volumes.disk };
  const volumes = planVolumes(volumeRequests(spec.mounts, bundle), guest, takes, disks.length);
  for (const { source, format } of volumes) if (format === 'qcow2') checkQcow2Volume(source);
  return volumes;
}

/**
 * The container's own root file system, if it is the guest's, with the engine's mounts where a process chrooted there would find
 * them: a link of the image's must not lead a volume out of it.
 */
function sharedRoot(found: UnikernelBundle, definition: UnikernelDefinition): SharedRoot | undefined {
  if (rootOf(definition) !== '9p') return undefined;
  const source = realpathOfRootfs(found);
  const mounts = mountsForRoot(found.spec.mounts).map((mount) => {
    const place = placeInRootfs(source, mount.destination);
    if (place !== undefined && place !== source) return { mount, place: place.slice(source.length) };
    throw new RuntimeError('VOLUME_UNSUPPORTED', `volume "${mount.destination}" has no place in the image`, {
      hint: 'mount it at a path that is neither the root nor a loop of links',
    });
  });
  const kernels = kernelPlaces.flatMap((place) => placeInRootfs(source, place)?.slice(source.length) ?? []);
  return { source, readOnly: found.spec.rootReadOnly, mounts, kernels };
}

function sizeOf(path: string | undefined): number {
  return path === undefined ? 0 : statSync(path).size;
}

function networkIntent(
  call: ContainerCall,
  spec: Spec,
  ports: readonly PortMapping[],
  definition: UnikernelDefinition,
): NetworkIntent {
  const namespace = findNamespace(spec, 'network');
  const { config, env } = call;
  const mode = networkMode(config.network.mode, definition.network);
  return {
    mode,
    isHostNetwork: namespace === undefined || isOwnNamespace(namespace.path),
    namespacePath: namespace?.path,
    isShared: isSharedNamespace(spec, namespace?.path),
    isRootless: !call.isHostRoot,
    hasTun: findDevice('/dev/net/tun') !== undefined,
    hasVhost: canOpenDevice('/dev/vhost-net'),
    ports,
    isToldAddress: guests[definition.guest].isToldAddress?.(definition.cmdline) ?? true,
    passt: mode === 'passt' ? findPasst(config.vmm.passt, env.PATH) : undefined,
    resolvConf: spec.mounts.find(isResolvConf)?.source,
    // In a root that is the container's own the file is in its place.
    hostsFile: rootOf(definition) === '9p' ? undefined : spec.mounts.find(isHostsFile)?.source,
  };
}

/** docker has no container without a network namespace: for the host's it names the host's. */
function isOwnNamespace(path: string | undefined): boolean {
  return path !== undefined && namespaceId(path) === namespaceId('/proc/self/ns/net');
}

/**
 * Whether other containers are in the network namespace: engines join a container to that of another by that one's process, and
 * a container of a Kubernetes pod is never alone.
 */
function isSharedNamespace(spec: Spec, path: string | undefined): boolean {
  return path?.startsWith('/proc/') === true || isPodMember(spec);
}

/** The engine's root file system, absolute. */
export function rootfsOf({ bundle, spec }: UnikernelBundle): string {
  return spec.rootPath.startsWith('/') ? spec.rootPath : `${bundle}/${spec.rootPath}`;
}

function realpathOfRootfs(found: UnikernelBundle): string {
  try {
    return realpathSync(rootfsOf(found));
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT', 'ENOTDIR')) throw cause;
    throw new RuntimeError('SPEC_INVALID', `root.path "${found.spec.rootPath}" of the bundle is missing`, {
      cause,
    });
  }
}
