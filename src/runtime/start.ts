import { chownSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import { become } from '../forward/become.ts';
import { readEngineFile, readTextIfThere, writeFileAtomic } from '../host/files.ts';
import { requireFreePorts } from '../host/free-ports.ts';
import { writeNanosOverlay } from '../host/nanos-image.ts';
import { makeTaps, namespaceId, readNamespaceFacts, removeTaps } from '../host/network-namespace.ts';
import { hasArgument, processStartTime } from '../host/processes.ts';
import { fileServers } from '../unikernel/file-servers.ts';
import { guests } from '../unikernel/guests/index.ts';
import { renderLaunchScript } from '../unikernel/launch-script.ts';
import { hasGlobalIpv6 } from '../unikernel/network/inet6.ts';
import { passtServer } from '../unikernel/network/passt-server.ts';
import { planNetwork } from '../unikernel/network/plan.ts';
import type { NetworkPlan } from '../unikernel/network/types.ts';
import { qemuArgs } from '../unikernel/qemu-args.ts';
import { parseNameServers } from '../unikernel/resolv-conf.ts';
import { sandboxPaths } from '../unikernel/sandbox-paths.ts';
import type { SandboxServer } from '../unikernel/sandbox-server.ts';
import type { Call, ContainerCall } from './container.ts';
import { planWithNames } from './guest-names.ts';
import { type ContainerRecord, readRecord, writeRecord } from './record.ts';
import { describeScope } from './scope-description.ts';
import type { StatePaths } from './state-dir.ts';

/**
 * `start` for a unikernel container: only now is its network certain, so only now is QEMU's command line.
 * Becomes `crun start`, which reports a container that is not in the state "created".
 * @throws RuntimeError
 */
export function startContainer(call: ContainerCall): never {
  const record = readRecord(call.paths);
  const pid = record === undefined ? undefined : createdPid(record, call.paths);
  // Without a created process there is nothing to prepare, and crun knows the right words for it.
  if (record !== undefined && pid !== undefined) prepareLaunch(call, call.paths, record, pid);
  return become(call.crun(), call.line.args, call.env);
}

/**
 * Set up the guest's network and write the script that runs QEMU.
 * @param pid of the sandbox's first process, which waits to be started
 */
export function prepareLaunch(call: Call, paths: StatePaths, created: ContainerRecord, pid: number): void {
  const record = { ...created, init: { pid, startTime: requireStartTime(pid) } };
  const namespacePath = record.network.namespacePath ?? `/proc/${pid}/ns/net`;
  // A start that failed half-way may have left taps.
  if (record.taps !== undefined) removeTaps(namespacePath, record.taps.cards, paths.mark);
  const network = planWithNames(record, planFor(record, namespacePath, pid));
  call.log('network planned', { ...network });
  if (network.kind === 'user' || network.kind === 'passt') {
    // passt takes both families where the guest has both.
    const address =
      network.kind === 'passt' && network.guest.cards.some(({ ipv6 }) => ipv6 !== undefined)
        ? '::'
        : '0.0.0.0';
    requireFreePorts(network.ports, { net: `/proc/${pid}/net`, address, option: 'PORT=' });
  }
  // Written down first: whoever dies in between, delete knows what to remove.
  writeRecord(paths, {
    ...record,
    joined: network,
    taps:
      network.kind === 'tap'
        ? { namespaceId: requireNamespace(namespacePath), cards: network.taps }
        : undefined,
  });
  if (network.kind === 'tap') makeTaps(namespacePath, network.taps, record.uid.host, paths.mark);
  const support = guests[record.machine.guest];
  const input = { ...record.guest, network: network.kind === 'none' ? undefined : network.guest };
  const klog =
    support.settingsIn === 'nanos-image'
      ? writeNanosOverlay(record.disks, sandboxPaths.base(0), record.uid.host, input)
      : undefined;
  const script = renderLaunchScript({
    qemu: record.machine.qemu,
    args: qemuArgs(record.machine, network, support.commandLine(input)),
    servers: [...fileServers(record.machine, record.uid.container), ...passtServers(record, network)],
    graceMs: record.graceMs,
    klog: klog === undefined ? undefined : { path: sandboxPaths.disk(klog.disk), offset: klog.fileOffset },
    exitValues: support.exitValues,
    pressesButton: record.hasScope === true && record.machine.powerButton,
    notes: network.notes.map((note) => `network: ${note}`),
  });
  call.log('launch script written', { path: paths.launchScript });
  // It may hold the container's environment: for the monitor's user only.
  writeFileAtomic(paths.launchScript, script, 0o400);
  chownSync(paths.launchScript, record.uid.host, -1);
  describeScope(call, record, pid);
}

/**
 * The sandbox's first process as long as it waits to be started: until then it is crun's, with crun's arguments.
 * undefined if the container was started before, or is gone.
 */
function createdPid({ pidFile }: ContainerRecord, { sandboxConfig }: StatePaths): number | undefined {
  const pid = Number(readTextIfThere(pidFile));
  return pid > 0 && hasArgument(pid, sandboxConfig) ? pid : undefined;
}

function requireNamespace(namespacePath: string): string {
  const id = namespaceId(namespacePath);
  if (id !== undefined) return id;
  throw new RuntimeError('STATE_BROKEN', `the container's network namespace "${namespacePath}" is gone`);
}

function requireStartTime(pid: number): string {
  const startTime = processStartTime(pid);
  if (startTime !== undefined) return startTime;
  throw new RuntimeError('STATE_BROKEN', `the container's first process ${pid} is gone`);
}

function passtServers(
  { network: { passt }, uid, gid }: ContainerRecord,
  network: NetworkPlan,
): readonly SandboxServer[] {
  if (network.kind !== 'passt' || passt === undefined) return [];
  return [passtServer(passt, network, { uid: uid.container, gid })];
}

function planFor(
  { network: intent, machine }: ContainerRecord,
  namespacePath: string,
  pid: number,
): NetworkPlan {
  const resolvConf = intent.resolvConf === undefined ? undefined : readEngineFile(intent.resolvConf);
  return planNetwork({
    mode: intent.mode,
    facts:
      intent.isHostNetwork || intent.mode === 'none' ? undefined : readNamespaceFacts(namespacePath, pid),
    isShared: intent.isShared,
    isRootless: intent.isRootless,
    hasTun: intent.hasTun,
    hasIpv6: hasGlobalIpv6(readTextIfThere(`/proc/${pid}/net/if_inet6`) ?? ''),
    hasVhost: intent.hasVhost,
    ports: intent.ports,
    isToldAddress: intent.isToldAddress !== false,
    nameServers: parseNameServers(resolvConf ?? ''),
    guest: machine.guest,
    abilities: guests[machine.guest].network,
    cpus: machine.cpus,
  });
}
