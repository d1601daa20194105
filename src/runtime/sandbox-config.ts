import { writtenOciVersion } from '../forward/oci-version.ts';
import type { DeviceNode } from '../host/host-facts.ts';
import { portStartSysctl } from '../unikernel/low-ports.ts';
import { type MachinePlan, virtiofsShares } from '../unikernel/machine.ts';
import { sandboxPaths } from '../unikernel/sandbox-paths.ts';
import { withIsolationCalls } from '../unikernel/seccomp.ts';
import type { JsonObject, Mount, Spec } from '../unikernel/spec.ts';
import { type PlannedVolume, rootTag } from '../unikernel/volumes.ts';
import { isResolvConf } from './container-volumes.ts';
import { withMonitorMemory } from './monitor-memory.ts';
import type { MonitorUser } from './monitor-user.ts';
import { protectedPaths } from './protected-paths.ts';
import { scopeStopAnnotation } from './scope-stop.ts';

export interface SandboxRequest {
  readonly spec: Spec;
  readonly machine: MachinePlan;
  readonly rootfs: string;
  readonly launchDirectory: string;
  /** Host paths of the unikernel's files. */
  readonly files: { readonly kernel: string | undefined; readonly initrd: string | undefined };
  /** Host paths of its disks: the image, which is only read, and the overlay over it. */
  readonly disks: readonly { readonly base: string; readonly overlay: string }[];
  readonly volumes: readonly PlannedVolume[];
  readonly root: SharedRoot | undefined;
  readonly user: MonitorUser;
  /** The host's devices that the monitor needs. */
  readonly devices: readonly DeviceNode[];
  /** Host directories that QEMU and a shell need, each bound in its own place. */
  readonly hostDirectories: readonly string[];
  /** Those of them that only go with what is mounted below. */
  readonly inseparable: readonly string[];
  /** What is added to the engine's memory limit. */
  readonly memoryOverheadMiB: number;
  /** The first port at which the monitor has to be allowed to listen; undefined: as it is. */
  readonly portStart: number | undefined;
  /** Whether passt may run beside QEMU. */
  readonly hasPasst: boolean;
  /** Whether the sandbox gets a scope of systemd's. */
  readonly hasScope: boolean;
}

/** The container's own root file system, as the guest's. */
export interface SharedRoot {
  /** Absolute, without links. */
  readonly source: string;
  readonly readOnly: boolean;
  /** The engine's mounts in it; `place` is where each leads to below the root, links followed inside it. */
  readonly mounts: readonly { readonly mount: Mount; readonly place: string }[];
  /** The places below it where the guest mounts what is its kernel's. */
  readonly kernels: readonly string[];
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
  readonly options?: readonly string[] | undefined;
}

/** Pseudo file systems that QEMU needs. The others would only show the host to a guest that broke out, or give it room to write. */
const keptPseudoFileSystems: ReadonlySet<string> = new Set(['/proc', '/dev', '/dev/pts']);

/**
 * The specification of the sandbox for a unikernel container: the engine's, with the process, the file system and the devices
 * replaced. Namespaces, cgroup, limits, hooks, annotations, labels and profiles stay as the engine has them.
 * Pure. The engine's own specification is not changed.
 */
export function sandboxConfig(request: SandboxRequest): SandboxConfig {
  const { spec } = request;
  const mounts = sandboxMounts(request);
  const content = {
    ...spec.raw,
    ociVersion: writtenOciVersion,
    root: { path: request.rootfs, readonly: true },
    ...sandboxAnnotations(request),
    process: sandboxProcess(request),
    mounts,
    linux: sandboxLinux(request),
  };
  return { content, mounts };
}

/**
 * Of crun's own annotations those that engines use, and that only place the container or tell it how to. An image can bring any:
 * with others crun would leave out the seccomp profile, load a library, write to a file of the host's or run another handler.
 * @see containers/crun crun.1.md, "Extensions to OCI"
 */
const keptCrunAnnotations: ReadonlySet<string> = new Set([
  'run.oci.delegate-cgroup',
  'run.oci.mount_context_type',
  'run.oci.seccomp_fail_unknown_syscall',
  'run.oci.systemd.subgroup',
  'run.oci.timens_offset',
]);

function sandboxAnnotations({ spec: { raw, annotations }, hasScope }: SandboxRequest): JsonObject {
  const added = hasScope ? scopeStopAnnotation(annotations) : {};
  if (raw.annotations === undefined && !hasScope) return {};
  const kept = Object.entries(objectAt(raw, 'annotations')).filter(([key, value]) =>
    /^(?:run\.oci|module\.wasm)\./.test(key)
      ? // A cgroup beside the container's has none of its limits.
        keptCrunAnnotations.has(key) && !String(value).includes('..')
      : true,
  );
  return { annotations: { ...Object.fromEntries(kept), ...added } };
}

function sandboxProcess({ spec, user }: SandboxRequest): JsonObject {
  const process = objectAt(spec.raw, 'process');
  return {
    ...process,
    user,
    args: ['/bin/sh', sandboxPaths.launch],
    env: ['PATH=/usr/bin:/bin'],
    cwd: '/',
    capabilities: { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] },
    noNewPrivileges: true,
  };
}

function sandboxMounts(request: SandboxRequest): readonly SandboxMount[] {
  const { spec, files, user } = request;
  const { uid, gid } = user;
  const readOnly = ['bind', 'ro', 'nosuid', 'nodev'];
  const resolvConf = spec.mounts.find(isResolvConf);
  return [
    ...spec.mounts
      .filter(({ destination }) => keptPseudoFileSystems.has(destination))
      .map(({ raw, destination, type, source }) => ({ ...raw, destination, type, source })),
    ...request.hostDirectories.map((path) =>
      bind(path, path, request.inseparable.includes(path) ? ['rbind', 'rro', 'rnosuid', 'rnodev'] : readOnly),
    ),
    ...(files.kernel === undefined ? [] : [bind(files.kernel, sandboxPaths.kernel, [...readOnly, 'noexec'])]),
    ...(files.initrd === undefined ? [] : [bind(files.initrd, sandboxPaths.initrd, [...readOnly, 'noexec'])]),
    ...request.disks.flatMap(({ base, overlay }, index) => [
      bind(base, sandboxPaths.base(index), [...readOnly, 'noexec']),
      bind(overlay, sandboxPaths.disk(index), ['bind', 'rw', 'nosuid', 'nodev', 'noexec']),
    ]),
    ...request.volumes.map(volumeMount),
    ...rootMounts(request.root),
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
        // virtiofsd has a socket, a file with its process id and one of messages.
        `nr_inodes=${32 + 3 * virtiofsShares(request.machine).length}`,
        'mode=0700',
        `uid=${uid}`,
        `gid=${gid}`,
      ],
    },
    ...(request.hasPasst ? [passtMount(user)] : []),
  ];
}

function passtMount({ uid, gid }: MonitorUser): SandboxMount {
  const options = ['nosuid', 'nodev', 'noexec', 'size=64k', 'nr_inodes=8'];
  return {
    destination: sandboxPaths.passt,
    type: 'tmpfs',
    source: 'tmpfs',
    options: [...options, 'mode=0700', `uid=${uid}`, `gid=${gid}`],
  };
}

function volumeMount({ guest, source }: PlannedVolume): SandboxMount {
  const options = ['bind', guest.readOnly ? 'ro' : 'rw', 'nosuid', 'nodev', 'noexec'];
  if (guest.kind === 'disk') return bind(source, sandboxPaths.disk(guest.index), options);
  const share = sandboxPaths.share(guest.tag);
  // With what is mounted below it, as the container would have it.
  if (guest.file === undefined) return bind(source, share, ['rbind', ...options.slice(1)]);
  return bind(source, `${share}/${guest.file}`, options);
}

/** What is in the image is not for the monitor to execute, and its devices and set-user-id programs are the guest's business. */
function rootMounts(root: SharedRoot | undefined): readonly SandboxMount[] {
  if (root === undefined) return [];
  const share = sandboxPaths.share(rootTag);
  const inert = ['nosuid', 'nodev', 'noexec'];
  return [
    bind(root.source, share, ['bind', root.readOnly ? 'ro' : 'rw', ...inert]),
    ...root.mounts.map(({ mount, place }) => ({
      ...mount.raw,
      destination: `${share}${place}`,
      // With an r before it an option goes for what is mounted below, too, and is applied last.
      options: [...mount.options.filter((option) => !/^r?(?:exec|suid|dev)$/.test(option)), ...inert],
    })),
  ];
}

function sandboxLinux(request: SandboxRequest): JsonObject {
  const { spec, devices, user, memoryOverheadMiB, portStart } = request;
  const { uid, gid } = user;
  const linux = objectAt(spec.raw, 'linux');
  const resources = objectAt(linux, 'resources');
  const rules = Array.isArray(resources.devices) ? resources.devices : [];
  return {
    ...linux,
    ...protectedPaths(linux),
    ...(request.hasPasst && linux.seccomp !== undefined
      ? { seccomp: withIsolationCalls(linux.seccomp) }
      : {}),
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
