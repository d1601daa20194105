import { realpathSync, statSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { withKernelReader } from '../host/files.ts';
import { findQemu } from '../host/find-qemu.ts';
import { findDevice, isOpenToAll } from '../host/host-facts.ts';
import { proveKvm } from '../host/kvm-proof.ts';
import { namespaceId } from '../host/network-namespace.ts';
import { findInRegistries, resolveInEntry } from '../host/registry.ts';
import { resolveInRootfs } from '../host/rootfs-path.ts';
import { chooseAccelerator } from '../unikernel/accelerator.ts';
import { parseDefinition, type UnikernelDefinition } from '../unikernel/definition.ts';
import { annotationKey, isPodMember, type UnikernelSource } from '../unikernel/detect.ts';
import { requireKernelFormat } from '../unikernel/kernel-format.ts';
import { type MachinePlan, planMachine } from '../unikernel/machine.ts';
import { type PortMapping, parsePorts } from '../unikernel/ports.ts';
import { environmentValue, findNamespace, type Spec } from '../unikernel/spec.ts';
import type { ContainerCall } from './container.ts';
import type { NetworkIntent } from './record.ts';
import { engineInits, isResolvConf } from './sandbox-config.ts';

/** A container that carries a unikernel, as found in its bundle. */
export interface UnikernelBundle {
  /** Absolute. */
  readonly bundle: string;
  readonly spec: Spec;
  readonly source: UnikernelSource;
}

/** What does not depend on this ucrun's state: the unikernel, its files, and the machine for it. */
export interface ResolvedUnikernel {
  readonly definition: UnikernelDefinition;
  readonly kernel: string;
  readonly initrd: string | undefined;
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
  const { definition, kernel, initrd } = resolveFiles(call, found);
  const format = withKernelReader(kernel, (reader) =>
    requireKernelFormat(reader, definition.kernel ?? kernel),
  );
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
  return {
    definition,
    kernel,
    initrd,
    ports,
    machine: planMachine({
      definition,
      format,
      volumes: [],
      rootShare: undefined,
      limits: spec,
      config,
      accelerator,
      qemu,
      loadedBytes: sizeOf(kernel) + (initrd === undefined ? 0 : sizeOf(initrd)),
    }),
    network: networkIntent(call, spec, ports),
  };
}

type UnikernelFiles = Pick<ResolvedUnikernel, 'definition' | 'kernel' | 'initrd'>;

function resolveFiles({ config }: ContainerCall, found: UnikernelBundle): UnikernelFiles {
  const { source } = found;
  if (source.kind === 'registry') return filesOfRegistry(config.registries, source);
  const definition = parseDefinition(source.settings, 'the annotations', annotationKey);
  const rootfs = realpathOfRootfs(found);
  return withFiles(definition, (path, what) => resolveInRootfs(rootfs, path, what));
}

function filesOfRegistry(
  registries: readonly string[],
  source: Extract<UnikernelSource, { kind: 'registry' }>,
): UnikernelFiles {
  const entry = findInRegistries(registries, source.name);
  for (const key of ['guest', 'kernel', 'initrd']) {
    if (key in source.overrides) {
      throw new RuntimeError(
        'UNIKERNEL_INVALID',
        `annotation "${annotationKey(key)}" contradicts SERVICE_NAME=${source.name}`,
        {
          hint: 'leave out the annotation for the unikernel of that name, or SERVICE_NAME for the one in the image',
        },
      );
    }
  }
  // Each is checked by itself first, so that an error names the place it comes from.
  const base = parseDefinition(entry.content, entry.source);
  parseDefinition(
    { guest: base.guest, kernel: base.kernel, ...source.overrides },
    'the annotations',
    annotationKey,
  );
  const definition = parseDefinition({ ...entry.content, ...source.overrides }, entry.source);
  return withFiles(definition, (path, what) => resolveInEntry(entry, path, what));
}

function withFiles(
  definition: UnikernelDefinition,
  resolve: (path: string, what: string) => string,
): UnikernelFiles {
  const { kernel, initrd } = definition;
  return {
    definition,
    kernel: resolve(kernel ?? '', 'kernel'),
    initrd: initrd === undefined ? undefined : resolve(initrd, 'initrd'),
  };
}

function sizeOf(path: string): number {
  return statSync(path).size;
}

/** A tracker's own program is not started; the words after it are the guest's. An image's words are all the guest's. */
export function guestArgs({ spec, source }: UnikernelBundle): readonly string[] {
  const args = withoutInit(spec.args);
  return source.kind === 'registry' ? args.slice(1) : args;
}

/** Engines put an init of theirs, such as that of `podman run --init`, before the program, with `--` between. */
function withoutInit(args: readonly string[]): readonly string[] {
  const [program = '', separator] = args;
  return engineInits.has(program) && separator === '--' ? args.slice(2) : args;
}

function networkIntent(call: ContainerCall, spec: Spec, ports: readonly PortMapping[]): NetworkIntent {
  const namespace = findNamespace(spec, 'network');
  return {
    mode: call.config.network.mode,
    isHostNetwork: namespace === undefined || isOwnNamespace(namespace.path),
    namespacePath: namespace?.path,
    isShared: isSharedNamespace(spec, namespace?.path),
    isRootless: !call.isHostRoot,
    hasTun: findDevice('/dev/net/tun') !== undefined,
    ports,
    resolvConf: spec.mounts.find(isResolvConf)?.source,
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
