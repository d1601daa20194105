import { statSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import { checkQcow2Volume } from '../host/disk-image.ts';
import { findQemu } from '../host/find-qemu.ts';
import { guestVolumes } from '../host/guest-volumes.ts';
import { kernelFormatOf, withVersion } from '../host/kernel-file.ts';
import { proveKvm } from '../host/kvm-proof.ts';
import { type OwnKernel, readNanosKernel } from '../host/nanos-image.ts';
import { type Registries, registriesFor } from '../host/registry.ts';
import { findUnikernelFiles, type UnikernelFiles } from '../host/unikernel-files.ts';
import { type Accelerator, chooseAccelerator } from '../unikernel/accelerator.ts';
import { rootOf, shareDriverOf, type UnikernelDefinition } from '../unikernel/definition.ts';
import type { GuestInput } from '../unikernel/guests/guest.ts';
import { guests } from '../unikernel/guests/index.ts';
import { type MachinePlan, planMachine } from '../unikernel/machine.ts';
import type { PortMapping } from '../unikernel/ports.ts';
import { type PlannedVolume, planVolumes, type VolumeRequest } from '../unikernel/volumes.ts';
import type { MachineHost } from './host.ts';
import type { MachineFiles } from './places.ts';
import type { MachineRecord, MachineVolume, PlannedSizes } from './record.ts';

/** A machine as it would be started now. */
export interface ResolvedMachine extends UnikernelFiles {
  /** A kernel that is in one of its disks, and no file of its own. */
  readonly ownKernel: OwnKernel | undefined;
  readonly volumes: readonly PlannedVolume[];
  readonly plan: MachinePlan;
  /** Those that are published at the host. */
  readonly ports: readonly PortMapping[];
  /** What its guest is told, but for its network. */
  readonly input: Omit<GuestInput, 'network'>;
}

/** The name of the one unikernel in a registry of a machine's own. */
export const ownUnikernel = 'unikernel';

/**
 * Find a machine's unikernel and plan QEMU for it; nothing is written but what is remembered of KVM.
 * @throws RuntimeError for everything that is wrong with it or missing on the host
 */
export function resolveMachine(
  host: MachineHost,
  { name, source, settings }: Pick<MachineRecord, 'name' | 'source' | 'settings'>,
  paths: Pick<MachineFiles, 'registry'>,
): ResolvedMachine {
  const { config, env } = host;
  const registries: Registries =
    source.kind === 'own' ? { folders: [paths.registry], opsImages: [] } : registriesFor(config, env);
  const wanted = { kind: 'registry', name: source.kind === 'own' ? ownUnikernel : source.name } as const;
  const found = withVersion(
    findUnikernelFiles({ ...wanted, overrides: {} }, { ...registries, vmDirectories: [] }, noRootfs),
  );
  const definition: UnikernelDefinition = {
    ...found.definition,
    memoryMiB: settings.memoryMiB ?? found.definition.memoryMiB,
    cpus: settings.cpus === undefined ? found.definition.cpus : Math.ceil(settings.cpus),
    cmdline: [found.definition.cmdline, ...settings.kernelArgs].filter((word) => word !== '').join(' '),
  };
  const { kernel, initrd, disks } = found;
  if (rootOf(definition) === '9p') {
    throw new RuntimeError('GUEST_UNSUPPORTED', `the root of "${wanted.name}" is a container's, by 9p`, {
      hint: 'a machine has no container: give it an initrd or a disk, or run it with an engine',
    });
  }
  const ownKernel =
    kernel === undefined && guests[definition.guest].settingsIn === 'nanos-image'
      ? readNanosKernel(disks[0] ?? '')
      : undefined;
  const volumes = volumesOf(definition, settings.volumes);
  const qemu = findQemu(config.vmm.qemu, env.PATH);
  const served = settings.network.kind === 'none' ? [] : (settings.ports ?? definition.ports);
  const unkept = planMachine({
    definition,
    format: ownKernel?.format ?? kernelFormatOf(found),
    volumes,
    rootShare: undefined,
    limits: { memoryLimitBytes: undefined, cpuQuota: undefined, cpusetSize: undefined },
    config,
    accelerator: acceleratorFor(host, qemu, settings.acceleration),
    qemu,
    virtiofsd: undefined,
    hasPasst: false,
    loadedBytes: sizeOf(kernel) + (ownKernel?.bytes.length ?? 0) + sizeOf(initrd),
  });
  const plan: MachinePlan = {
    ...unkept,
    disks: unkept.disks.map((disk) => (disk.isOverlay ? { ...disk, isKept: true } : disk)),
  };
  const input = {
    cmdline: definition.cmdline,
    args: settings.args,
    version: definition.version,
    env: settings.env,
    workingDirectory: undefined,
    hostname: settings.hostname ?? name,
    root: rootOf(definition),
    volumes: guestVolumes({ definition, disks, volumes }),
    port: served[0]?.guest,
  };
  // A guest with an address of its own serves them there.
  const ports = settings.network.kind === 'bridge' ? [] : served;
  return { ...found, definition, ownKernel, volumes, plan, ports, input };
}

/** What a machine's record keeps of its plan. */
export function sizesOf({ plan, ports }: Pick<ResolvedMachine, 'plan' | 'ports'>): PlannedSizes {
  return {
    guest: plan.guest,
    memoryMiB: plan.memoryMiB,
    overheadMiB: plan.vmmMemory.overheadMiB,
    cpus: plan.cpus,
    ports,
    powerButton: plan.powerButton,
    usesKvm: plan.accelerator.kind === 'kvm',
  };
}

function noRootfs(): string {
  throw new Error('a machine has no root file system');
}

function acceleratorFor(host: MachineHost, qemu: string, isAllowed: boolean): Accelerator {
  if (!isAllowed) return chooseAccelerator('tcg', noProof);
  return chooseAccelerator(host.config.vmm.accelerator, () => proveKvm(host.stateRoot, qemu));
}

function noProof(): never {
  throw new Error('nobody asks for KVM');
}

/** @throws RuntimeError VOLUME_UNSUPPORTED */
function volumesOf(
  definition: UnikernelDefinition,
  volumes: readonly MachineVolume[],
): readonly PlannedVolume[] {
  const { guest, disks } = definition;
  const requests = volumes.map(requestOf);
  // QEMU serves directories itself: a server beside it would have to be confined, too.
  const share = shareDriverOf(definition) === undefined ? undefined : '9p';
  const planned = planVolumes(requests, guest, { share, disk: guests[guest].volumes.disk }, disks.length);
  for (const { source, format } of planned) if (format === 'qcow2') checkQcow2Volume(source);
  const file = planned.find((volume) => volume.guest.kind === 'share' && volume.guest.file !== undefined);
  if (file === undefined) return planned;
  throw new RuntimeError('VOLUME_UNSUPPORTED', `volume "${file.source}" is a file, and no disk image`, {
    hint: 'share the directory that it is in',
  });
}

function requestOf({ source, destination, readOnly }: MachineVolume): VolumeRequest {
  const stat = statSync(source, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new RuntimeError('VOLUME_UNSUPPORTED', `volume "${source}" is missing on the host`, {
      hint: 'make the directory, or correct the path',
    });
  }
  const sourceKind = stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : 'other';
  return { source, destination, readOnly, sourceKind };
}

function sizeOf(path: string | undefined): number {
  return path === undefined ? 0 : statSync(path).size;
}
