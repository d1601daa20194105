import { formatBytes, formatMiB } from '../../base/size.ts';
import { withSeenAddresses } from '../../machine/seen-addresses.ts';
import { type Machine, machineStatuses } from '../../machine/service.ts';
import { guestKinds } from '../../unikernel/guests/guest.ts';
import type { PortMapping } from '../../unikernel/ports.ts';
import { ageText, table } from '../table.ts';
import type { MachineContext } from './context.ts';
import { type EngineMachine, engineMachines } from './engine-machines.ts';
import { fillTemplate, parseFilters, type Row } from './format.ts';
import { usageOf } from './usage.ts';

export interface ListOptions {
  readonly all: boolean;
  readonly quiet: boolean;
  readonly latest: boolean;
  readonly format: string;
  readonly filter: readonly string[];
  /** Whether unikernels in containers are listed, too. */
  readonly engines: boolean;
}

/** What is listed: a machine of ours, or a unikernel of an engine's. */
export interface Listed {
  readonly name: string;
  readonly guest: string;
  readonly status: string;
  readonly state: string;
  readonly exitStatus: number | undefined;
  readonly manager: string;
  readonly memoryMiB: number;
  readonly residentBytes: number | undefined;
  readonly cpus: number;
  readonly cpuShare: number | undefined;
  readonly ports: readonly PortMapping[];
  readonly addresses: readonly string[];
  readonly pid: number | undefined;
  readonly created: string;
  readonly started: string | undefined;
  readonly enabled: boolean;
  readonly restarts: number;
  readonly labels: Readonly<Record<string, string>>;
}

const filterKeys = ['name', 'status', 'guest', 'manager', 'label'] as const;

/** The columns of the table, in their order, and what templates know besides. */
const shownColumns = ['Name', 'Guest', 'Status', 'Mem', 'Cpu', 'Ports', 'Manager', 'Uptime'] as const;
export const columns: readonly string[] = [
  ...shownColumns,
  'Rss',
  'Cpus',
  'State',
  'ExitCode',
  'Pid',
  'Created',
  'Restarts',
  'Enabled',
  'Labels',
  'Address',
];

/** `machine ps`. @returns what to print @throws RuntimeError USAGE */
export async function listMachines(
  { host, machines }: MachineContext,
  options: ListOptions,
  now: number,
): Promise<string> {
  const filters = parseFilters(options.filter, filterKeys, { status: machineStatuses, guest: guestKinds });
  const own = withSeenAddresses(await machines.list()).map((machine) => fromMachine(machine, now));
  const others = options.engines ? engineMachines(host.stateRoot).map((found) => fromEngine(found, now)) : [];
  const wanted = [...own, ...others].filter((machine) =>
    filters.every(({ key, value }) => matches(machine, key, value)),
  );
  const isFiltered = filters.some(({ key }) => key === 'status');
  const shown = options.latest
    ? wanted.toSorted((a, b) => b.created.localeCompare(a.created, 'en')).slice(0, 1)
    : wanted.filter(({ state }) => options.all || isFiltered || !isAtRest(state));
  if (options.quiet) return shown.map(({ name }) => `${name}\n`).join('');
  return await render(shown, options.format, now);
}

async function render(shown: readonly Listed[], format: string, now: number): Promise<string> {
  switch (format) {
    case 'json':
      return `${JSON.stringify(shown, undefined, 2)}\n`;
    case 'yaml': {
      const { toYaml } = await import('./yaml.ts');
      return toYaml(shown);
    }
    case 'table': {
      const rows = shown.map((machine) => rowOf(machine, now));
      return table([
        shownColumns.map((column) => column.toUpperCase()),
        ...rows.map((row) => shownColumns.map((column) => row[column] || '-')),
      ]);
    }
    default:
      return fillTemplate(
        format,
        shown.map((machine) => rowOf(machine, now)),
        columns,
        shown,
      );
  }
}

function isAtRest(state: string): boolean {
  return state === 'created' || state === 'exited';
}

function matches(machine: Listed, key: string, value: string): boolean {
  switch (key) {
    case 'name':
      return machine.name.includes(value);
    case 'status':
      return machine.state === value;
    case 'guest':
      return machine.guest === value;
    case 'manager':
      return machine.manager === value;
    default: {
      const [label = '', wanted] = value.split('=', 2);
      return (
        Object.hasOwn(machine.labels, label) && (wanted === undefined || machine.labels[label] === wanted)
      );
    }
  }
}

function fromMachine(machine: Machine, now: number): Listed {
  const usage = machine.pid === undefined ? undefined : usageOf(machine.pid);
  return {
    name: machine.name,
    guest: machine.guest ?? '-',
    status: statusText(machine, now),
    state: machine.status,
    exitStatus: machine.exitStatus,
    manager: machine.manager,
    memoryMiB: machine.memoryMiB,
    residentBytes: usage?.residentBytes,
    cpus: machine.settings?.cpus ?? machine.cpus,
    cpuShare: usage?.cpuShare,
    ports: machine.ports,
    addresses: machine.addresses,
    pid: machine.pid,
    created: machine.created,
    started: machine.pid === undefined ? undefined : machine.started,
    enabled: machine.isEnabled,
    restarts: machine.restarts,
    labels: machine.settings?.labels ?? {},
  };
}

function fromEngine(found: EngineMachine, now: number): Listed {
  const usage = found.pid === undefined ? undefined : usageOf(found.pid);
  const since = ageText(now - Date.parse(found.created)).replace(/ ago$/, '');
  const texts = {
    created: 'Created',
    running: `Up ${since}`,
    paused: `Up ${since} (Paused)`,
    exited: 'Exited',
  };
  return {
    name: found.name,
    guest: found.guest,
    status: texts[found.status],
    state: found.status,
    exitStatus: undefined,
    manager: found.manager,
    memoryMiB: found.memoryMiB,
    residentBytes: usage?.residentBytes,
    cpus: found.cpus,
    cpuShare: usage?.cpuShare,
    ports: found.ports,
    addresses: [],
    pid: found.pid,
    created: found.created,
    started: found.pid === undefined ? undefined : found.created,
    enabled: false,
    restarts: 0,
    labels: found.labels,
  };
}

/** A machine's status as `podman ps` words it: `Up 3 minutes`, `Exited (7) 2 hours ago`. */
export function statusText(machine: Machine, now: number): string {
  const since = (time: string | undefined) =>
    time === undefined ? undefined : ageText(now - Date.parse(time));
  switch (machine.status) {
    case 'running':
      return `Up ${since(machine.started)?.replace(/ ago$/, '') ?? ''}`.trim();
    case 'paused':
      return `Up ${since(machine.started)?.replace(/ ago$/, '') ?? ''} (Paused)`;
    case 'exited': {
      const code = machine.exitStatus === undefined ? '' : ` (${machine.exitStatus})`;
      const ended = since(machine.ended);
      return `Exited${code}${ended === undefined ? '' : ` ${ended}`}`;
    }
    case 'restarting':
      return `Restarting (${machine.exitStatus ?? 0})`;
    case 'waiting':
      return 'Waiting for a connection';
    case 'broken':
      return `Broken: ${machine.problem ?? 'its unit is missing, see "ucrun machine doctor"'}`;
    default:
      return `${machine.status.charAt(0).toUpperCase()}${machine.status.slice(1)}`;
  }
}

function rowOf(machine: Listed, now: number): Row {
  const size = machine.memoryMiB === 0 ? '' : formatMiB(machine.memoryMiB);
  return {
    Name: machine.name,
    Guest: machine.guest,
    Status: machine.status,
    Mem: size,
    Cpu: machine.cpuShare === undefined ? '' : `${(machine.cpuShare * 100).toFixed(1)}%`,
    Rss: machine.residentBytes === undefined ? '' : formatBytes(machine.residentBytes),
    Cpus: String(machine.cpus),
    // The ports of a guest that has an address of its own are all there.
    Ports: [...machine.addresses, ...machine.ports.map(portText)].join(', '),
    Manager: machine.manager,
    Uptime:
      machine.started === undefined ? '' : ageText(now - Date.parse(machine.started)).replace(/ ago$/, ''),
    State: machine.state,
    ExitCode: machine.exitStatus === undefined ? '' : String(machine.exitStatus),
    Pid: machine.pid === undefined ? '' : String(machine.pid),
    Created: machine.created,
    Restarts: String(machine.restarts),
    Enabled: String(machine.enabled),
    Labels: Object.entries(machine.labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    Address: machine.addresses.join(', '),
  };
}

function portText({ address = '0.0.0.0', host, guest, protocol }: PortMapping): string {
  return `${address}:${host}->${guest}/${protocol}`;
}
