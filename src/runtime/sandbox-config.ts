import { RuntimeError } from '../base/runtime-error.ts';
import { writtenOciVersion } from '../forward/oci-version.ts';
import type { DeviceNode } from '../host/host-facts.ts';
import { portStartSysctl } from '../unikernel/low-ports.ts';
import type { MachinePlan } from '../unikernel/machine.ts';
import { sandboxPaths } from '../unikernel/sandbox-paths.ts';
import type { JsonObject, Mount, Spec } from '../unikernel/spec.ts';
import { withMonitorMemory } from './monitor-memory.ts';

export interface SandboxRequest {
  readonly spec: Spec;
  readonly machine: MachinePlan;
  readonly rootfs: string;
  readonly launchDirectory: string;
  /** Host paths of the unikernel's files. */
  readonly files: { readonly kernel: string; readonly initrd: string | undefined };
  readonly uid: number;
  readonly gid: number;
  /** The host's devices that the monitor needs. */
  readonly devices: readonly DeviceNode[];
  /** Host directories that QEMU and a shell need, each bound in its own place. */
  readonly hostDirectories: readonly string[];
  readonly memoryOverheadMiB: number;
  /** The first port at which the monitor has to be allowed to listen; undefined: as it is. */
  readonly portStart: number | undefined;
}

/** The specification for crun, and its mounts, for whose places the sandbox's root has to have something. */
export interface SandboxConfig {
  readonly content: JsonObject;
  readonly mounts: readonly SandboxMount[];
}

/** A mount as the specification has it; those of the engine's may have more fields. */
export interface SandboxMount {
  readonly destination: string;
  readonly type?: string | undefined;
  readonly source?: string | undefined;
}

/** Pseudo file systems that QEMU needs. The others would only show the host to a guest that broke out, or give it room to write. */
const keptPseudoFileSystems: ReadonlySet<string> = new Set(['/proc', '/dev', '/dev/pts']);

/** Where engines mount an init of theirs, which a machine does not need. */
export const engineInits: ReadonlySet<string> = new Set([
  '/run/podman-init',
  '/dev/init',
  '/sbin/docker-init',
]);

/**
 * What engines mount into every container for a process that reads it. A guest is told what is in resolv.conf and hostname
 * on its command line; the rest is not for it.
 */
const engineMounts: ReadonlySet<string> = new Set([
  ...keptPseudoFileSystems,
  ...engineInits,
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

/**
 * The specification of the sandbox for a unikernel container: the engine's, with the process, the file system and the devices
 * replaced. Namespaces, cgroup, limits, hooks, annotations, labels and profiles stay as the engine has them.
 * Pure. The engine's own specification is not changed.
 * @throws RuntimeError VOLUME_UNSUPPORTED naming a volume that the guest cannot have
 */
export function sandboxConfig(request: SandboxRequest): SandboxConfig {
  const { spec } = request;
  checkVolumes(spec.mounts);
  const mounts = sandboxMounts(request);
  const content = {
    ...spec.raw,
    ociVersion: writtenOciVersion,
    root: { path: request.rootfs, readonly: true },
    ...sandboxAnnotations(spec.raw),
    process: sandboxProcess(request),
    mounts,
    linux: sandboxLinux(request),
  };
  return { content, mounts };
}

/** Annotations with which an image could have crun run the sandbox in another way. @see containers/crun crun.1.md */
const refusedAnnotations: ReadonlySet<string> = new Set(['run.oci.handler', 'run.oci.keep_original_groups']);

function sandboxAnnotations(raw: JsonObject): JsonObject {
  if (raw.annotations === undefined) return {};
  const kept = Object.entries(objectAt(raw, 'annotations')).filter(([key]) => !refusedAnnotations.has(key));
  return { annotations: Object.fromEntries(kept) };
}

function sandboxProcess({ spec, uid, gid }: SandboxRequest): JsonObject {
  const process = objectAt(spec.raw, 'process');
  return {
    ...process,
    user: { uid, gid },
    args: ['/bin/sh', sandboxPaths.launch],
    env: ['PATH=/usr/bin:/bin'],
    cwd: '/',
    capabilities: { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] },
    noNewPrivileges: true,
  };
}

function sandboxMounts(request: SandboxRequest): readonly SandboxMount[] {
  const { spec, files, uid, gid } = request;
  const readOnly = ['bind', 'ro', 'nosuid', 'nodev'];
  const resolvConf = spec.mounts.find(isResolvConf);
  return [
    ...spec.mounts
      .filter(({ destination }) => keptPseudoFileSystems.has(destination))
      .map(({ raw, destination, type, source }) => ({ ...raw, destination, type, source })),
    ...request.hostDirectories.map((path) => bind(path, path, readOnly)),
    bind(files.kernel, sandboxPaths.kernel, [...readOnly, 'noexec']),
    ...(files.initrd === undefined ? [] : [bind(files.initrd, sandboxPaths.initrd, [...readOnly, 'noexec'])]),
    // QEMU's user network stack asks the name servers in it.
    ...(resolvConf?.source === undefined
      ? []
      : [bind(resolvConf.source, '/etc/resolv.conf', [...readOnly, 'noexec'])]),
    bind(request.launchDirectory, sandboxPaths.ucrun, [...readOnly, 'noexec']),
    {
      destination: sandboxPaths.run,
      type: 'tmpfs',
      source: 'tmpfs',
      options: [
        'nosuid',
        'nodev',
        'noexec',
        'size=1m',
        'nr_inodes=32',
        'mode=0700',
        `uid=${uid}`,
        `gid=${gid}`,
      ],
    },
  ];
}

function sandboxLinux(request: SandboxRequest): JsonObject {
  const { spec, devices, uid, gid, memoryOverheadMiB, portStart } = request;
  const linux = objectAt(spec.raw, 'linux');
  const resources = objectAt(linux, 'resources');
  const rules = Array.isArray(resources.devices) ? resources.devices : [];
  return {
    ...linux,
    ...(portStart === undefined
      ? {}
      : { sysctl: { ...objectAt(linux, 'sysctl'), [portStartSysctl]: `${portStart}` } }),
    devices: devices.map(({ path, major, minor }) => ({
      path,
      type: 'c',
      major,
      minor,
      fileMode: 0o600,
      uid,
      gid,
    })),
    resources: {
      ...withMonitorMemory(resources, memoryOverheadMiB),
      devices: [
        ...rules,
        ...devices.map(({ major, minor }) => ({ allow: true, type: 'c', major, minor, access: 'rw' })),
      ],
    },
  };
}

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

/** A volume that silently is not there loses data, so it is refused. */
function checkVolumes(mounts: readonly Mount[]): void {
  const volume = mounts.find(
    (mount) =>
      !engineMounts.has(mount.destination) &&
      !mount.destination.startsWith(kubernetesSecrets) &&
      (isBind(mount) || !emptyFileSystems.has(mount.type)),
  );
  if (volume === undefined) return;
  throw new RuntimeError(
    'VOLUME_UNSUPPORTED',
    `volume "${volume.destination}" cannot be given to the guest`,
    {
      hint: 'raw and linux guests take no volumes yet; run it without, or put the files into the initrd',
    },
  );
}

/** Where the options say so, the specification calls the type a dummy. @see opencontainers/runtime-spec v1.2.0 config.md, "Mounts" */
function isBind({ raw }: Mount): boolean {
  return Array.isArray(raw.options) && (raw.options.includes('bind') || raw.options.includes('rbind'));
}

/** The mount that brings the container's resolv.conf, which also says where its name servers are to be read. */
export function isResolvConf({ destination, source }: Mount): boolean {
  return destination === '/etc/resolv.conf' && source !== undefined;
}

function bind(source: string, destination: string, options: readonly string[]): SandboxMount & JsonObject {
  return { destination, type: 'bind', source, options };
}

/** What the engine's specification says about {@link portStartSysctl}. */
export function enginePortStart({ raw }: Spec): string | undefined {
  const value = objectAt(objectAt(raw, 'linux'), 'sysctl')[portStartSysctl];
  return typeof value === 'string' ? value : undefined;
}

function objectAt(parent: JsonObject, key: string): JsonObject {
  const value = parent[key];
  return typeof value === 'object' && value !== null ? (value as JsonObject) : {};
}
