import { rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { RuntimeError } from '../base/runtime-error.ts';
import { makeBridgePorts } from '../host/bridge-ports.ts';
import { exists, giveTo, listDirectory, makeDirectory, writeFileAtomic } from '../host/files.ts';
import { requireFreePorts } from '../host/free-ports.ts';
import { guests } from '../unikernel/guests/index.ts';
import { guestAddresses } from '../unikernel/network/plan.ts';
import type { NetworkPlan } from '../unikernel/network/types.ts';
import type { PortMapping } from '../unikernel/ports.ts';
import { qemuArgs } from '../unikernel/qemu-args.ts';
import type { MachinePaths } from '../unikernel/sandbox-paths.ts';
import { overlayPath, prepareDisks } from './disks.ts';
import type { MachineHost } from './host.ts';
import { renderMachineLaunch } from './launch-script.ts';
import { leaveBridges, planMachineNetwork } from './network.ts';
import { type MachineFiles, qemuNames } from './places.ts';
import { readableFile, requireReadableDisk } from './readable.ts';
import type { MachineRecord } from './record.ts';
import { type ResolvedMachine, resolveMachine } from './resolve.ts';
import { writeRunState } from './run-state.ts';

export interface PrepareRequest {
  /** When it is started, ISO 8601. */
  readonly started: string;
  /** Whom QEMU is to run as; undefined: whoever runs this. */
  readonly uid: number | undefined;
  /** Whether a service manager waits for the machine. */
  readonly notifies: boolean;
}

/**
 * Get a machine ready to be started: its directory, the overlays of its disks, and the script that becomes QEMU. Whoever calls it
 * has made {@link MachineFiles.qemu}, or lets it be made.
 * @throws RuntimeError for everything that is wrong with it or missing on the host
 */
export function prepareMachine(
  host: MachineHost,
  record: MachineRecord,
  files: MachineFiles,
  { started, uid, notifies }: PrepareRequest,
): ResolvedMachine {
  const machine = resolveMachine(host, record, files);
  const ports = innerPorts(record, machine.ports);
  requireFreePorts(ports, { net: '/proc/self/net', address: '0.0.0.0', option: '--port ' });
  const network = planMachineNetwork(host, record, machine, ports);
  const owner = uid ?? process.geteuid?.() ?? 0;
  makeDirectory(dirname(files.run), 0o711);
  makeDirectory(files.run, 0o711);
  // A pipe or a mark of a run before would be taken for one of this.
  for (const name of listDirectory(files.run))
    if (name !== 'qemu') rmSync(`${files.run}/${name}`, { recursive: true, force: true });
  if (!exists(files.qemu)) {
    makeDirectory(files.qemu, 0o700);
    giveTo(files.qemu, owner);
  }
  const told = network.kind === 'none' ? undefined : network.guest;
  const klog = prepareDisks(files, machine, told, owner);
  for (const disk of machine.disks) requireReadableDisk(disk, uid);
  const paths = machinePaths(files, machine, uid);
  if (machine.ownKernel !== undefined) {
    writeFileSync(paths.kernel, machine.ownKernel.bytes, { mode: 0o400 });
    giveTo(paths.kernel, owner);
  }
  const support = guests[machine.plan.guest];
  const script = renderMachineLaunch({
    directory: files.qemu,
    qemu: machine.plan.qemu,
    args: qemuArgs(machine.plan, network, support.commandLine({ ...machine.input, network: told }), paths),
    awaitGuest: awaitCommand(host, record, files, network),
    notifies,
  });
  // It may hold the machine's environment.
  writeFileAtomic(files.launch, script, 0o400);
  giveTo(files.launch, owner);
  writeRunState(files, {
    started,
    uid,
    klog,
    exitValues: support.exitValues,
  });
  joinBridges(host, record.name, files, network, owner);
  return machine;
}

/** Last of all: whoever finds that it runs finds its taps, too. */
function joinBridges(
  { places }: MachineHost,
  name: string,
  files: MachineFiles,
  network: NetworkPlan,
  owner: number,
): void {
  if (network.kind !== 'tap') return;
  // A host that lost its power kept none, but a ucrun that was killed may have left some.
  leaveBridges(places, name);
  try {
    makeBridgePorts(network, owner, `ucrun:${name}`);
  } catch (error) {
    rmSync(files.state, { force: true });
    throw error;
  }
}

/** Where QEMU itself listens: a machine that a connection starts leaves its port to whoever waits for that. */
function innerPorts({ settings }: MachineRecord, ports: readonly PortMapping[]): readonly PortMapping[] {
  const { activation } = settings;
  if (activation === undefined) return ports;
  return ports.map((port) =>
    port.protocol === 'tcp' ? { ...port, address: '127.0.0.1', host: activation.innerPort } : port,
  );
}

/** Paths as QEMU sees them; those in its own directory are relative to it, as a socket's may not be long. */
function machinePaths(files: MachineFiles, machine: ResolvedMachine, uid: number | undefined): MachinePaths {
  const volumeDisks = machine.volumes.filter(({ guest }) => guest.kind === 'disk');
  const sourceOf = (tag: string) =>
    machine.volumes.find(({ guest }) => guest.kind === 'share' && guest.tag === tag)?.source ?? '';
  const readable = (path: string | undefined, name: string) =>
    path === undefined ? `${files.run}/${name}` : readableFile(path, uid, `${files.run}/${name}`);
  return {
    kernel: readable(machine.kernel, 'kernel'),
    initrd: machine.initrd === undefined ? '' : readable(machine.initrd, 'initrd'),
    disk: (index) =>
      index < machine.disks.length
        ? overlayPath(files, index)
        : (volumeDisks[index - machine.disks.length]?.source ?? ''),
    base: (index) => machine.disks[index] ?? '',
    // In the words of QEMU's options a comma is written twice.
    share: (tag) => sourceOf(tag).replaceAll(',', ',,'),
    shareSocket: (tag) => `${tag}.sock`,
    qmp: qemuNames.qmp,
    exitStatus: qemuNames.exitStatus,
    events: qemuNames.events,
  };
}

/** @throws RuntimeError PORT_INVALID if there is nothing to wait for */
function awaitCommand(
  { self }: MachineHost,
  { name, settings }: MachineRecord,
  files: MachineFiles,
  network: NetworkPlan,
): readonly string[] | undefined {
  const { readyPort } = settings;
  if (readyPort === undefined) return undefined;
  if (network.kind === 'tap') {
    const [address] = guestAddresses(network);
    if (address !== undefined) return [self, 'machine', 'await', address, `${readyPort}`];
    throw new RuntimeError(
      'PORT_INVALID',
      `the address of machine "${name}" is not known, at which to wait for it`,
      {
        hint: 'say it: --network bridge:NAME,ip=ADDRESS/LENGTH; or leave out --ready-port',
      },
    );
  }
  const ports = network.kind === 'user' ? network.ports : [];
  const port = ports.find(({ guest, protocol }) => guest === readyPort && protocol === 'tcp');
  if (port !== undefined) {
    return [self, 'machine', 'await', port.address ?? '127.0.0.1', `${port.host}`, `${readyPort}`, files.run];
  }
  throw new RuntimeError('PORT_INVALID', `machine "${name}" has no TCP port ${readyPort} to wait for`, {
    hint: `publish it with --port ${readyPort}:${readyPort}, or leave out --ready-port`,
  });
}
