import type { MachineRecord, MachineSettings } from '../../../src/machine/record.ts';
import type { UnitFacts } from '../../../src/machine/systemd/units.ts';

export const settings: MachineSettings = {
  memoryMiB: undefined,
  cpus: undefined,
  ports: undefined,
  env: [],
  args: [],
  kernelArgs: [],
  volumes: [],
  network: { kind: 'user' },
  hostname: undefined,
  acceleration: true,
  autoRemove: false,
  labels: {},
  restart: { policy: 'no', retries: undefined, delayMs: 1000 },
  stopTimeoutMs: undefined,
  after: [],
  requires: [],
  readyPort: undefined,
  activation: undefined,
};

export const record: MachineRecord = {
  version: 1,
  name: 'web',
  created: '2026-01-02T03:04:05.000Z',
  manager: 'systemd',
  source: { kind: 'registry', name: 'hello' },
  settings,
  plan: {
    guest: 'raw',
    memoryMiB: 32,
    overheadMiB: 78,
    cpus: 1,
    ports: [{ host: 8080, guest: 80, protocol: 'tcp' }],
    powerButton: true,
    usesKvm: false,
  },
  lastRun: undefined,
};

export const facts: UnitFacts = {
  scope: 'system',
  self: '/usr/bin/ucrun',
  environment: {},
  graceMs: 5000,
  successStatuses: [1],
  uid: undefined,
  kvmGroup: 103,
  hasLowPorts: false,
  disks: undefined,
  readPaths: [],
  writePaths: [],
  socketProxy: '/usr/lib/systemd/systemd-socket-proxyd',
};
