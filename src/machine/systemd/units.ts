import { createHash } from 'node:crypto';
import { cpuQuota, limitOf } from '../limits.ts';
import type { Scope } from '../places.ts';
import type { MachineRecord } from '../record.ts';

/** What units depend on beside the machine itself. */
export interface UnitFacts {
  readonly scope: Scope;
  /** ucrun's absolute path. */
  readonly self: string;
  /** Variables that ucrun needs to find the same machines and configuration when systemd calls it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly graceMs: number;
  /** QEMU's statuses that mean that its guest ended well. */
  readonly successStatuses: readonly number[];
  /** The owner of its volumes; undefined: a user of its own. */
  readonly uid: number | undefined;
  /** The group that may open /dev/kvm. */
  readonly kvmGroup: number | undefined;
  readonly hasLowPorts: boolean;
  /** Where what its guest wrote is kept; undefined: it has no disks. */
  readonly disks: string | undefined;
  /** Files and directories in places that the unit does not see: what it reads, and what its guest may write. */
  readonly readPaths: readonly string[];
  readonly writePaths: readonly string[];
  readonly socketProxy: string;
}

/** A unit's file. */
export interface UnitFile {
  readonly name: string;
  readonly text: string;
}

export function serviceName(machine: string): string {
  return `ucrun-${machine}.service`;
}

export function socketName(machine: string): string {
  return `ucrun-${machine}.socket`;
}

/** Not `ucrun-…`: no machine's name makes it another's. */
export function proxyName(machine: string): string {
  return `ucrunproxy-${machine}.service`;
}

/** The name of the machine whose service a unit is; undefined for other units. */
export function machineOfUnit(unit: string): string | undefined {
  return /^ucrun-([a-z0-9][a-z0-9._-]{0,63})\.service$/.exec(unit)?.[1];
}

/**
 * The units of a machine: its service, and for one that a connection starts the socket and what passes connections on. Pure.
 * @see systemd.service(5), systemd.exec(5), systemd.socket(5), systemd-socket-proxyd(8)
 */
export function renderUnits(record: MachineRecord, facts: UnitFacts): readonly UnitFile[] {
  const { name, settings } = record;
  const service = { name: serviceName(name), text: sealed(name, serviceText(record, facts)) };
  if (settings.activation === undefined) return [service];
  return [
    service,
    { name: socketName(name), text: sealed(name, socketText(record, facts)) },
    { name: proxyName(name), text: sealed(name, proxyText(record, facts)) },
  ];
}

const sealPattern = /^# ucrun machine "[^"]*", sha256 ([0-9a-f]{64})\n/;

/** A first line from which it can be told whether somebody has changed the rest. */
function sealed(name: string, text: string): string {
  const note = `# Made by ucrun, which makes it anew: "systemctl edit" is the place for changes.\n`;
  return `# ucrun machine "${name}", sha256 ${hashOf(note + text)}\n${note}${text}`;
}

/** Whether a unit's text is as ucrun wrote it; not if it is none of ours either. */
export function isUntouched(text: string): boolean {
  const [line, hash] = sealPattern.exec(text) ?? [];
  return line !== undefined && hashOf(text.slice(line.length)) === hash;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function serviceText(record: MachineRecord, facts: UnitFacts): string {
  const { name, settings, plan } = record;
  const { scope } = facts;
  const call = (command: string, prefix = '') =>
    `${scope === 'system' ? prefix : ''}${word(facts.self)} machine ${command} --${scope} ${name}`;
  const needed = [
    ...settings.requires,
    ...settings.after.filter((other) => !settings.requires.includes(other)),
  ];
  const quota = cpuQuota(settings);
  const { activation } = settings;
  return sections({
    Unit: [
      ['Description', `unikernel ${name} (${plan.guest})`],
      ['Documentation', 'man:ucrun-machine(1)'],
      ...(scope === 'system' ? networkOrder(settings) : []),
      ...needed.map((other) => ['After', serviceName(other)] as const),
      ...settings.requires.map((other) => ['Requires', serviceName(other)] as const),
      ...startLimit(settings),
      ...(activation?.idleTimeoutMs === undefined ? [] : [['StopWhenUnneeded', 'yes'] as const]),
    ],
    Service: [
      ['Type', 'notify'],
      ['NotifyAccess', 'all'],
      ...Object.entries(facts.environment).map(
        ([key, value]) => ['Environment', word(`${key}=${value}`)] as const,
      ),
      ['ExecStartPre', call('prepare', '+')],
      ['ExecStart', call('exec')],
      ['ExecStop', call('powerdown', '+')],
      ['ExecStopPost', call('ended', '+')],
      ['SuccessExitStatus', facts.successStatuses.join(' ')],
      ['TimeoutStartSec', '120'],
      // The guest's time, QEMU's, and that to write down how it ended.
      ['TimeoutStopSec', `${Math.ceil(facts.graceMs / 1000) + 30}`],
      ['KillMode', 'mixed'],
      ['Restart', settings.restart.policy],
      ['RestartSec', `${settings.restart.delayMs}ms`],
      ['RuntimeDirectory', `ucrun/machines/${name}/qemu`],
      ['RuntimeDirectoryMode', '0700'],
      ['WorkingDirectory', '/'],
      ['SyslogIdentifier', name],
      ['MemoryMax', `${limitOf(record)}M`],
      ...(quota === undefined ? [] : [['CPUQuota', `${quota}%`] as const]),
      ...(scope === 'system' ? systemConfinement(record, facts) : []),
      ...confinement(record),
    ],
    Install: activation === undefined ? [['WantedBy', target(scope)]] : [],
  });
}

function isOnBridge({ network }: MachineRecord['settings']): boolean {
  return network.kind === 'bridge';
}

/** A bridge has to be there. @see systemd.special(7) */
function networkOrder(settings: MachineRecord['settings']): readonly Setting[] {
  if (!isOnBridge(settings)) return [['After', 'network.target']];
  return [
    ['Wants', 'network-online.target'],
    ['After', 'network-online.target'],
  ];
}

function startLimit({ restart }: MachineRecord['settings']): readonly Setting[] {
  if (restart.policy === 'no' || restart.retries === undefined) return [];
  return [
    ['StartLimitIntervalSec', '1h'],
    ['StartLimitBurst', `${restart.retries + 1}`],
  ];
}

/** What needs a manager with privileges. The commands with + have them: what has to be prepared as root. */
function systemConfinement({ settings, plan }: MachineRecord, facts: UnitFacts): readonly Setting[] {
  const usesKvm = plan.usesKvm;
  const devices = [...(usesKvm ? ['/dev/kvm'] : []), ...(isOnBridge(settings) ? ['/dev/net/tun'] : [])];
  const capability = facts.hasLowPorts ? 'CAP_NET_BIND_SERVICE' : '';
  return [
    ...(facts.uid === undefined
      ? [['DynamicUser', 'yes'] as const]
      : [['User', `${facts.uid}`] as const, ['Group', `${facts.uid}`] as const]),
    ...(usesKvm && facts.kvmGroup !== undefined
      ? [['SupplementaryGroups', `${facts.kvmGroup}`] as const]
      : []),
    ['CapabilityBoundingSet', capability],
    ['AmbientCapabilities', capability],
    ['DevicePolicy', 'closed'],
    // Of the host's devices it sees those alone. That one is missing QEMU says better than systemd.
    ['PrivateDevices', 'yes'],
    ...devices.flatMap(
      (device) =>
        [
          ['DeviceAllow', `${device} rw`],
          ['BindPaths', `-${device}`],
        ] as const,
    ),
    ['ProtectSystem', 'strict'],
    ['ProtectHome', 'tmpfs'],
    ['PrivateTmp', 'yes'],
    ['PrivateMounts', 'yes'],
    // In a user namespace of its own that capability would be for nothing, and so would be the volumes' owner.
    ...(facts.hasLowPorts || facts.uid !== undefined ? [] : [['PrivateUsers', 'yes'] as const]),
    ...(settings.network.kind === 'none' ? [['PrivateNetwork', 'yes'] as const] : []),
    ['ProtectClock', 'yes'],
    ['ProtectControlGroups', 'yes'],
    ['ProtectHostname', 'yes'],
    ['ProtectKernelLogs', 'yes'],
    ['ProtectKernelModules', 'yes'],
    ['ProtectKernelTunables', 'yes'],
    ['ProtectProc', 'invisible'],
    ['ProcSubset', 'pid'],
    ['RemoveIPC', 'yes'],
    ...facts.readPaths.map((path) => ['BindReadOnlyPaths', listedPath(path)] as const),
    ...facts.writePaths.map((path) => ['BindPaths', listedPath(path)] as const),
    ...(facts.disks === undefined ? [] : [['ReadWritePaths', `-${listedPath(facts.disks)}`] as const]),
  ];
}

/** What every manager can do: filters of system calls, which need no privilege. */
function confinement({ settings }: MachineRecord): readonly Setting[] {
  // A tap takes no socket, but who waits for the guest's port connects to it.
  const hasSockets =
    settings.network.kind === 'user' || (isOnBridge(settings) && settings.readyPort !== undefined);
  const families = hasSockets ? 'AF_UNIX AF_INET AF_INET6' : 'AF_UNIX';
  return [
    ['NoNewPrivileges', 'yes'],
    ['LockPersonality', 'yes'],
    ['RestrictAddressFamilies', families],
    ['RestrictNamespaces', 'yes'],
    ['RestrictRealtime', 'yes'],
    ['RestrictSUIDSGID', 'yes'],
    ['SystemCallArchitectures', 'native'],
    ['SystemCallFilter', '@system-service'],
    ['SystemCallFilter', '~@privileged @resources'],
    ['SystemCallErrorNumber', 'EPERM'],
    ['UMask', '0077'],
  ];
}

function socketText({ name, plan }: MachineRecord, { scope }: UnitFacts): string {
  const ports = plan.ports.filter(({ protocol }) => protocol === 'tcp');
  return sections({
    Unit: [
      ['Description', `connections that start the unikernel ${name}`],
      ['Documentation', 'man:ucrun-machine(1)'],
    ],
    Socket: [
      ...ports.map(
        ({ address, host }) =>
          ['ListenStream', address === undefined ? `${host}` : `${address}:${host}`] as const,
      ),
      ['Service', proxyName(name)],
    ],
    Install: [['WantedBy', scope === 'system' ? 'sockets.target' : 'default.target']],
  });
}

function proxyText({ name, settings }: MachineRecord, { scope, socketProxy }: UnitFacts): string {
  const { idleTimeoutMs, innerPort = 0 } = settings.activation ?? {};
  const idle = idleTimeoutMs === undefined ? '' : ` --exit-idle-time=${idleTimeoutMs}ms`;
  return sections({
    Unit: [
      ['Description', `passing connections on to the unikernel ${name}`],
      ['Documentation', 'man:ucrun-machine(1)'],
      // With it the machine comes and goes; where it has ended, the next connection starts both.
      ['BindsTo', serviceName(name)],
      ['After', serviceName(name)],
      ['Requires', socketName(name)],
    ],
    Service: [
      ['Type', 'notify'],
      ['ExecStart', `${word(socketProxy)}${idle} 127.0.0.1:${innerPort}`],
      ...(scope === 'system'
        ? ([
            ['DynamicUser', 'yes'],
            ['CapabilityBoundingSet', ''],
            ['PrivateDevices', 'yes'],
            ['ProtectHome', 'yes'],
            ['ProtectProc', 'invisible'],
          ] as const)
        : []),
      ['NoNewPrivileges', 'yes'],
      ['RestrictAddressFamilies', 'AF_UNIX AF_INET AF_INET6'],
      ['SystemCallArchitectures', 'native'],
      ['SystemCallFilter', '@system-service'],
      ['UMask', '0077'],
    ],
  });
}

function target(scope: Scope): string {
  return scope === 'system' ? 'multi-user.target' : 'default.target';
}

type Setting = readonly [key: string, value: string];

function sections(content: Readonly<Record<string, readonly Setting[]>>): string {
  return Object.entries(content)
    .filter(([, settings]) => settings.length > 0)
    .map(
      ([section, settings]) =>
        `[${section}]\n${settings.map(([key, value]) => `${key}=${value}\n`).join('')}`,
    )
    .join('\n');
}

/** A word of a command line, or an assignment. @see systemd.syntax(7), "Quoting"; systemd.unit(5), "Specifiers" */
function word(text: string): string {
  const escaped = text.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[A-Za-z0-9_./:=@%,+-]+$/.test(text) ? escaped : `"${escaped.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** A path in a list of those. */
function listedPath(path: string): string {
  const escaped = path.replaceAll('%', '%%').replaceAll('\\', '\\\\').replaceAll(':', '\\:');
  return /[\s"']/.test(path) ? `"${escaped.replaceAll('"', '\\"')}"` : escaped;
}
