import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { lastValue, parseVerbArgs, withoutOptions } from '../forward/command-line.ts';
import { makeDirectory, makeNewDirectory, withKernelReader, writeFileAtomic } from '../host/files.ts';
import { findQemu } from '../host/find-qemu.ts';
import { findDevice, hostDirectories, isLink, mergedUsrLinks, ownUidMap } from '../host/host-facts.ts';
import { proveKvm } from '../host/kvm-proof.ts';
import { processStartTime, runInPlace } from '../host/processes.ts';
import { findInRegistries, resolveInEntry } from '../host/registry.ts';
import { resolveInRootfs } from '../host/rootfs-path.ts';
import { takeUid } from '../host/uid-pool.ts';
import { chooseAccelerator } from '../unikernel/accelerator.ts';
import { parseDefinition, type UnikernelDefinition } from '../unikernel/definition.ts';
import { annotationKey, type UnikernelSource } from '../unikernel/detect.ts';
import { type IdRange, identityMapping, monitorIdRange, toHostId } from '../unikernel/id-mapping.ts';
import { requireKernelFormat } from '../unikernel/kernel-format.ts';
import { unstartedScript } from '../unikernel/launch-script.ts';
import { type MachinePlan, planMachine } from '../unikernel/machine.ts';
import { type PortMapping, parsePorts } from '../unikernel/ports.ts';
import { environmentValue, findNamespace, type Spec } from '../unikernel/spec.ts';
import type { ContainerCall } from './container.ts';
import { guestEnvironment } from './guest-environment.ts';
import { type ContainerRecord, type NetworkIntent, newRecord, writeRecord } from './record.ts';
import { removeState } from './remove-state.ts';
import { type DeviceNode, isResolvConf, sandboxConfig } from './sandbox-config.ts';

/** A container that carries a unikernel, as found in its bundle. */
export interface UnikernelBundle {
  /** Absolute. */
  readonly bundle: string;
  readonly spec: Spec;
  readonly source: UnikernelSource;
}

/** What {@link prepareSandbox} leaves for crun. */
export interface PreparedSandbox {
  readonly record: ContainerRecord;
  /** crun's arguments from its verb on. */
  readonly args: readonly string[];
}

/**
 * `create` for a unikernel container: plan the machine, write the record and the sandbox's specification, let crun create it.
 * Prints nothing on stdout, which is the container's log. A failure leaves nothing behind.
 * @returns the exit status; if it is not 0, crun has said why
 * @throws RuntimeError for everything that is wrong before crun is asked
 */
export function createContainer(call: ContainerCall, found: UnikernelBundle): number {
  const { record, args } = prepareSandbox(call, found, 'create');
  let status = 1;
  try {
    status = runInPlace(call.crun(), [...call.line.globalArgs, ...args], withoutDescriptors(call.env));
    if (status === 0) writeRecord(call.paths, { ...record, init: readInit(call, args) });
    return status;
  } finally {
    if (status !== 0) removeState(call.paths, record);
  }
}

/**
 * Write the record and the sandbox's specification for `create` or `run`; if that fails, nothing of it stays.
 * @param changeHooks what to do with the specification's hooks
 * @throws RuntimeError
 */
export function prepareSandbox(
  call: ContainerCall,
  found: UnikernelBundle,
  verb: 'create' | 'run',
  changeHooks?: (hooks: unknown) => unknown,
): PreparedSandbox {
  const { paths, id } = call;
  const options = parseVerbArgs(verb, call.line.verbArgs).options;
  if (Number(lastValue(options, 'preserve-fds') ?? 0) > 0) {
    throw new RuntimeError('USAGE', 'file descriptors (--preserve-fds) cannot be given to a unikernel');
  }
  const unikernel = resolveUnikernel(call, found);
  if (!makeNewDirectory(paths.directory, 0o711)) {
    throw new RuntimeError('CONTAINER_EXISTS', `container "${id}" already exists`, {
      hint: 'choose another id, or remove the container with "delete --force"',
    });
  }
  try {
    const record = planRecord(call, found, unikernel);
    writeRecord(paths, record);
    writeSandbox(call, found, unikernel, record, changeHooks);
    return { record, args: sandboxArgs(call, verb, found.bundle) };
  } catch (error) {
    removeState(paths, undefined);
    throw error;
  }
}

function planRecord(
  call: ContainerCall,
  found: UnikernelBundle,
  unikernel: ResolvedUnikernel,
): ContainerRecord {
  const { machine, definition, ports, network } = unikernel;
  return newRecord({
    id: call.id,
    bundle: found.bundle,
    rootfs: rootfsOf(found),
    annotations: found.spec.annotations,
    machine,
    graceMs: machine.powerButton ? call.config.stop.graceMs : 0,
    guest: {
      cmdline: definition.cmdline,
      args: guestArgs(found),
      env: guestEnvironment(found.spec.env),
      hostname: found.spec.hostname,
      port: ports[0]?.guest,
    },
    network,
    uid: chooseUid(call, found.spec),
  });
}

/** What does not depend on this ucrun's state: the unikernel, its files, and the machine for it. */
interface ResolvedUnikernel {
  readonly definition: UnikernelDefinition;
  readonly kernel: string;
  readonly initrd: string | undefined;
  readonly machine: MachinePlan;
  readonly ports: readonly PortMapping[];
  readonly network: NetworkIntent;
}

function resolveUnikernel(call: ContainerCall, found: UnikernelBundle): ResolvedUnikernel {
  const { config, env, paths } = call;
  const { spec } = found;
  const { definition, kernel, initrd } = resolveFiles(call, found);
  const format = withKernelReader(kernel, (reader) => requireKernelFormat(reader, definition.kernel));
  const qemu = findQemu(config.vmm.qemu, env.PATH);
  const accelerator = chooseAccelerator(config.vmm.accelerator, () => proveKvm(paths.stateRoot, qemu));
  call.log('accelerator chosen', { ...accelerator });
  const port = environmentValue(spec, 'PORT');
  const ports = port === undefined ? definition.ports : parsePorts(port, 'PORT');
  return {
    definition,
    kernel,
    initrd,
    ports,
    machine: planMachine({ definition, format, limits: spec, config, accelerator, qemu }),
    network: networkIntent(call, spec, ports),
  };
}

function resolveFiles(call: ContainerCall, found: UnikernelBundle) {
  const { source } = found;
  if (source.kind === 'image') {
    const definition = parseDefinition(source.settings, 'the annotations', annotationKey);
    const rootfs = realpathOfRootfs(found);
    return {
      definition,
      kernel: resolveInRootfs(rootfs, definition.kernel, 'kernel'),
      initrd:
        definition.initrd === undefined ? undefined : resolveInRootfs(rootfs, definition.initrd, 'initrd'),
    };
  }
  const entry = findInRegistries(call.config.registries, source.name);
  for (const key of ['guest', 'kernel', 'initrd']) {
    if (key in source.overrides) {
      throw new RuntimeError(
        'UNIKERNEL_INVALID',
        `annotation "${annotationKey(key)}" contradicts SERVICE_NAME=${source.name}`,
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
  return {
    definition,
    kernel: resolveInEntry(entry, definition.kernel, 'kernel'),
    initrd: definition.initrd === undefined ? undefined : resolveInEntry(entry, definition.initrd, 'initrd'),
  };
}

/** A tracker's own program is not started; the words after it are the guest's. An image's words are all the guest's. */
function guestArgs({ spec, source }: UnikernelBundle): readonly string[] {
  return source.kind === 'registry' ? spec.args.slice(1) : spec.args;
}

function networkIntent(call: ContainerCall, spec: Spec, ports: readonly PortMapping[]): NetworkIntent {
  const namespace = findNamespace(spec, 'network');
  return {
    mode: call.config.network.mode,
    isHostNetwork: namespace === undefined,
    namespacePath: namespace?.path,
    isRootless: !call.isHostRoot,
    hasTun: findDevice('/dev/net/tun') !== undefined,
    ports,
    resolvConf: spec.mounts.find(isResolvConf)?.source,
  };
}

function chooseUid(
  { config, paths }: ContainerCall,
  spec: Spec,
): { readonly container: number; readonly host: number } {
  const ownMap = ownUidMap();
  const hasOwnNamespace = findNamespace(spec, 'user') !== undefined && spec.uidMappings.length > 0;
  // Inside: what the container's namespace has, or else our own, in which every id means itself to us.
  const mappings = hasOwnNamespace
    ? spec.uidMappings
    : ownMap.map(({ containerId, size }) => ({ containerId, hostId: containerId, size }));
  const configured: IdRange = { first: config.vmm.uidBase, count: config.vmm.uidCount };
  const range = monitorIdRange(mappings, configured);
  const { containerUid, hostUid } = takeUid(paths.stateRoot, range, mappings, paths.directory);
  return { container: containerUid, host: hostUid };
}

/** The group of the same number where it is mapped, else the container's group 0, which is nobody of the host's. */
function monitorGid(spec: Spec, uid: number): number {
  const mappings = spec.gidMappings.length > 0 ? spec.gidMappings : identityMapping;
  return toHostId(mappings, uid) === undefined ? 0 : uid;
}

function writeSandbox(
  { paths, config }: ContainerCall,
  { spec }: UnikernelBundle,
  unikernel: ResolvedUnikernel,
  record: ContainerRecord,
  changeHooks: ((hooks: unknown) => unknown) | undefined,
): void {
  const { machine } = unikernel;
  makeRootfs(paths.rootfs, hostDirectories(machine.qemu));
  makeDirectory(paths.launchDirectory, 0o755);
  makeDirectory(`${paths.launchDirectory}/run`, 0o755);
  writeFileAtomic(paths.launchScript, unstartedScript, 0o444);
  const content = sandboxConfig({
    spec,
    machine,
    rootfs: paths.rootfs,
    launchDirectory: paths.launchDirectory,
    files: {
      kernel: readableFile(unikernel.kernel, paths.copies, 'kernel'),
      initrd:
        unikernel.initrd === undefined ? undefined : readableFile(unikernel.initrd, paths.copies, 'initrd'),
    },
    uid: record.uid.container,
    gid: monitorGid(spec, record.uid.container),
    devices: neededDevices(machine, record.network),
    hostDirectories: hostDirectories(machine.qemu),
    memoryOverheadMiB: config.vmm.memoryOverheadMiB,
  });
  const withHooks = changeHooks === undefined ? content : { ...content, hooks: changeHooks(content.hooks) };
  writeFileAtomic(paths.sandboxConfig, JSON.stringify(withHooks), 0o600);
}

function neededDevices(machine: MachinePlan, network: NetworkIntent): readonly DeviceNode[] {
  const wanted = [
    ...(machine.accelerator.kind === 'kvm' ? ['/dev/kvm'] : []),
    ...(network.isHostNetwork || network.isRootless || network.mode === 'user' ? [] : ['/dev/net/tun']),
  ];
  return wanted.flatMap((path) => findDevice(path) ?? []);
}

/** An empty root with the places that things are mounted on, and the links that a merged /usr has. */
function makeRootfs(rootfs: string, directories: readonly string[]): void {
  makeDirectory(rootfs, 0o755);
  for (const directory of ['proc', 'dev', 'sys', 'tmp', 'etc', 'ucrun', 'unikernel', ...directories]) {
    mkdirSync(`${rootfs}/${directory}`, { recursive: true, mode: 0o755 });
  }
  for (const name of mergedUsrLinks) {
    if (isLink(`/${name}`)) symlinkSync(`usr/${name}`, `${rootfs}/${name}`);
  }
}

/** The file itself if everyone may read it, else a copy: the monitor's user is nobody's friend. */
function readableFile(path: string, copies: string, name: string): string {
  if ((statSync(path).mode & 0o004) !== 0) return path;
  makeDirectory(copies, 0o711);
  const copy = `${copies}/${name}`;
  copyFileSync(path, copy);
  chmodSync(copy, 0o444);
  return copy;
}

/** crun's command line: the engine's, with our specification in the place of the one in its bundle. */
function sandboxArgs(call: ContainerCall, verb: 'create' | 'run', bundle: string): readonly string[] {
  const kept = withoutOptions(verb, call.line.verbArgs, ['bundle', 'b', 'config', 'f', 'preserve-fds']);
  const pidFile =
    lastValue(parseVerbArgs(verb, kept).options, 'pid-file') === undefined
      ? ['--pid-file', `${call.paths.directory}/pid`]
      : [];
  return [verb, '--bundle', bundle, '--config', call.paths.sandboxConfig, ...pidFile, ...kept];
}

function readInit(call: ContainerCall, args: readonly string[]): ContainerRecord['init'] {
  const pidFile = lastValue(parseVerbArgs('create', args.slice(1)).options, 'pid-file') as string;
  const pid = Number(readFileSync(pidFile, 'utf8'));
  const startTime = processStartTime(pid);
  call.log('sandbox created', { pid, startTime });
  return startTime === undefined ? undefined : { pid, startTime };
}

/** Sockets of an activating systemd are not for the monitor. */
function withoutDescriptors(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { LISTEN_FDS: _fds, LISTEN_PID: _pid, LISTEN_FDNAMES: _names, ...rest } = env;
  return rest;
}

function rootfsOf({ bundle, spec }: UnikernelBundle): string {
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
