import type { Accelerator } from '../../../src/unikernel/accelerator.ts';
import type { MachineDisk, MachinePlan } from '../../../src/unikernel/machine.ts';
import type { NetworkCard, NetworkPlan, TapCard } from '../../../src/unikernel/network/types.ts';

export const tcg: Accelerator = { kind: 'tcg', cpu: 'max', reason: 'a test' };
export const kvm: Accelerator = { kind: 'kvm', cpu: 'host,migratable=off', reason: 'a test' };

export const microvm: MachinePlan = {
  guest: 'raw',
  model: 'microvm',
  bus: 'mmio',
  firmware: 'qboot.rom',
  memoryMiB: 128,
  vmmMemory: { limit: 'within', overheadMiB: 79, codeCacheMiB: 32 },
  cpus: 1,
  boot: 'kernel',
  hasInitrd: false,
  disks: [],
  shares: [],
  virtiofsd: undefined,
  modernVirtio: false,
  accelerator: tcg,
  qemu: '/usr/bin/qemu-system-x86_64',
  extraArgs: [],
  powerButton: true,
};

export const q35: MachinePlan = { ...microvm, model: 'q35', bus: 'pci', firmware: 'qboot.rom' };

/** A disk of the unikernel's. */
export const overlay: MachineDisk = {
  isOverlay: true,
  format: 'qcow2',
  baseFormat: 'raw',
  readOnly: false,
};

/** A disk that is a volume of the container's. */
export const volumeDisk: MachineDisk = { isOverlay: false, format: 'raw', readOnly: false };

export const card: NetworkCard = {
  mac: '72:d1:97:ae:69:c5',
  ipv4: { address: '10.88.0.2', prefixLength: 16 },
  ipv4Gateway: '10.88.0.1',
  ipv6: undefined,
  ipv6Gateway: undefined,
  moreAddresses: [],
  routes: [],
  mtu: 1500,
};

export const tapCard: TapCard = { link: 'eth0', tap: 'uctap0', mtu: 1500, queues: 1, vhost: false };

export const tapNetwork: Extract<NetworkPlan, { kind: 'tap' }> = {
  kind: 'tap',
  guest: { cards: [card], nameServers: ['10.88.0.1'] },
  taps: [tapCard],
  leftOut: [],
  notes: [],
};

/** Two networks, and whatever makes them fast. */
export const twoTaps: typeof tapNetwork = {
  kind: 'tap',
  guest: { cards: [card, { ...card, mac: '72:d1:97:ae:69:c6', mtu: 9000 }], nameServers: [] },
  taps: [
    { ...tapCard, queues: 4, vhost: true },
    { link: 'eth1', tap: 'uctap1', mtu: 9000, queues: 2, vhost: false },
  ],
  leftOut: [],
  notes: [],
};

export const userNetwork: Extract<NetworkPlan, { kind: 'user' }> = {
  kind: 'user',
  subnet: '10.0.2.0/24',
  ipv6Subnet: undefined,
  guest: {
    cards: [
      {
        mac: '02:75:63:00:00:01',
        ipv4: { address: '10.0.2.15', prefixLength: 24 },
        ipv4Gateway: '10.0.2.2',
        ipv6: undefined,
        ipv6Gateway: undefined,
        moreAddresses: [],
        routes: [],
        mtu: undefined,
      },
    ],
    nameServers: ['10.0.2.3'],
  },
  ports: [
    { host: 8080, guest: 80, protocol: 'tcp' },
    { host: 5353, guest: 53, protocol: 'udp' },
  ],
  notes: [],
};

export const passtNetwork: Extract<NetworkPlan, { kind: 'passt' }> = {
  kind: 'passt',
  guest: { cards: [card], nameServers: ['10.88.0.1'] },
  link: 'eth0',
  mtu: 1500,
  ports: userNetwork.ports,
  nameServerInside: undefined,
  socket: '/tmp/passt.sock',
  notes: [],
};

export const noNetwork: NetworkPlan = { kind: 'none', notes: [] };
