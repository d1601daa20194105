import { assertNever } from '../base/assert-never.ts';
import { diskArgs, memoryArgs, memoryOption, shareArgs } from './disk-args.ts';
import { guests } from './guests/index.ts';
import type { MachinePlan } from './machine.ts';
import { leastMicrovm, microvmMachine } from './microvm.ts';
import type { NetworkPlan } from './network/types.ts';
import { type MachinePaths, sandboxPaths } from './sandbox-paths.ts';
import { virtioDevice } from './virtio-device.ts';

/** I/O ports of the exit protocol, see docs/guests.md: the status byte, "end now", and "I have panicked". */
const exitStatusPort = '0x500';
const exitPort = '0x501';
const panicPort = '0x505';

/**
 * The complete QEMU command line without the program's name, as it is inside the sandbox.
 * Pure: every value was checked when the plans were made.
 * @param commandLine the guest's own command line
 * @param paths where its files are
 * @see qemu(1); QEMU docs/system/i386/microvm.rst
 */
export function qemuArgs(
  machine: MachinePlan,
  network: NetworkPlan,
  commandLine: string,
  paths: MachinePaths = sandboxPaths,
): readonly string[] {
  return [
    '-nodefaults',
    '-no-user-config',
    '-display',
    'none',
    '-no-reboot',
    '-sandbox',
    'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
    ...machineArgs(machine),
    '-m',
    `${machine.memoryMiB}M`,
    ...memoryArgs(machine),
    '-smp',
    String(machine.cpus),
    ...bootArgs(machine, commandLine, paths),
    // signal=off: Ctrl-C is the guest's.
    '-chardev',
    'stdio,id=console,signal=off',
    '-serial',
    'chardev:console',
    '-chardev',
    `socket,id=qmp,path=${paths.qmp},server=on,wait=off`,
    '-mon',
    'chardev=qmp,mode=control',
    // Here QEMU says why the machine ended. It only starts when the launch script says so on it, or an early end would go unsaid.
    '-S',
    '-chardev',
    `pipe,id=events,path=${paths.events}`,
    '-mon',
    'chardev=events,mode=control',
    '-chardev',
    `file,id=exit,path=${paths.exitStatus},append=on`,
    '-device',
    `isa-debugcon,iobase=${exitStatusPort},chardev=exit`,
    '-device',
    `isa-debug-exit,iobase=${exitPort},iosize=4`,
    '-device',
    `pvpanic,ioport=${panicPort}`,
    ...(guests[machine.guest].hasRandomDevice ? ['-device', virtioDevice(machine, 'rng')] : []),
    // What the guest frees the host gets back at once, where its driver can say so.
    ...(guests[machine.guest].hasBalloon
      ? ['-device', virtioDevice(machine, 'balloon', ['free-page-reporting=on'])]
      : []),
    ...diskArgs(machine, paths),
    ...shareArgs(machine, paths),
    ...networkArgs(network, machine),
    ...machine.extraArgs,
  ];
}

function bootArgs(
  { boot, hasInitrd }: MachinePlan,
  commandLine: string,
  paths: MachinePaths,
): readonly string[] {
  switch (boot) {
    case 'kernel':
      return [
        '-kernel',
        paths.kernel,
        ...(hasInitrd ? ['-initrd', paths.initrd] : []),
        ...(commandLine === '' ? [] : ['-append', commandLine]),
      ];
    case 'disk':
      // The firmware is not to look for anything else.
      return ['-boot', 'strict=on'];
    default:
      return assertNever(boot);
  }
}

function machineArgs(machine: MachinePlan): readonly string[] {
  const { guest, model, accelerator, firmware, vmmMemory } = machine;
  const acceleratorArgs = [
    '-accel',
    accelerator.kind === 'kvm' ? 'kvm' : `tcg,tb-size=${vmmMemory.codeCacheMiB}`,
    '-cpu',
    accelerator.cpu,
  ];
  switch (model) {
    case 'microvm':
      return [
        '-M',
        `${microvmMachine(guests[guest].microvm ?? leastMicrovm)}${memoryOption(machine)}`,
        '-global',
        'virtio-mmio.force-legacy=false',
        ...(firmware === undefined ? [] : ['-bios', firmware]),
        ...acceleratorArgs,
      ];
    case 'q35':
      return [
        '-M',
        `q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off${memoryOption(machine)}`,
        ...(firmware === undefined ? [] : ['-bios', firmware]),
        ...acceleratorArgs,
      ];
    default:
      return assertNever(model);
  }
}

function networkArgs(network: NetworkPlan, machine: MachinePlan): readonly string[] {
  switch (network.kind) {
    case 'none':
      return ['-nic', 'none'];
    case 'tap':
      return network.taps.flatMap(({ tap, mtu, queues, vhost }, index) => [
        '-netdev',
        [
          `tap,id=net${index},ifname=${tap},script=no,downscript=no`,
          ...(queues > 1 ? [`queues=${queues}`] : []),
          ...(vhost ? ['vhost=on'] : []),
        ].join(','),
        '-device',
        cardDevice(machine, { index, mac: network.guest.cards[index]?.mac, mtu, queues }),
      ]);
    case 'passt':
      return [
        '-netdev',
        `stream,id=net0,server=off,addr.type=unix,addr.path=${network.socket}`,
        '-device',
        cardDevice(machine, { index: 0, mac: network.guest.cards[0]?.mac, mtu: network.mtu }),
      ];
    case 'user': {
      const forwards = network.ports.map(
        ({ protocol, address = '', host, guest }) => `,hostfwd=${protocol}:${address}:${host}-:${guest}`,
      );
      const ipv6 =
        network.ipv6Subnet === undefined ? 'ipv6=off' : `ipv4=on,ipv6=on,ipv6-net=${network.ipv6Subnet}`;
      return [
        '-netdev',
        `user,id=net0,net=${network.subnet},${ipv6}${forwards.join('')}`,
        '-device',
        cardDevice(machine, { index: 0, mac: network.guest.cards[0]?.mac }),
      ];
    }
    default:
      return assertNever(network);
  }
}

interface CardDevice {
  /** Of its backend. */
  readonly index: number;
  readonly mac: string | undefined;
  readonly mtu?: number;
  readonly queues?: number;
}

function cardDevice(machine: MachinePlan, { index, mac, mtu, queues = 1 }: CardDevice): string {
  return virtioDevice(machine, 'net', [
    `netdev=net${index}`,
    ...(mac === undefined ? [] : [`mac=${mac}`]),
    // No option ROM: there is nothing to boot from the network.
    ...(machine.bus === 'pci' ? ['romfile='] : []),
    // Not every card that mtu 1500 is told of can say so.
    ...(mtu === undefined ? [] : [`host_mtu=${mtu}`]),
    ...(queues > 1 ? ['mq=on'] : []),
    // An interrupt for each queue, one for their control and one for changes of the configuration.
    ...(queues > 1 && machine.bus === 'pci' ? [`vectors=${2 * queues + 2}`] : []),
  ]);
}
