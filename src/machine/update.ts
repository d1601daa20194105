import { formatMiB } from '../base/size.ts';
import type { PortMapping } from '../unikernel/ports.ts';
import type { MachineRecord, MachineSettings } from './record.ts';
import type { MachineChanges, UpdateResult } from './service.ts';

/** A machine's settings with some changed. Variables of the environment are added to those there are. */
export function changeSettings(settings: MachineSettings, changes: MachineChanges): MachineSettings {
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  return {
    ...settings,
    ...given,
    env: changes.env === undefined ? settings.env : mergedVariables(settings.env, changes.env),
    labels: { ...settings.labels, ...changes.labels },
  };
}

/** One without a `=` is taken away. */
function mergedVariables(before: readonly string[], added: readonly string[]): readonly string[] {
  const values = new Map(before.map((entry) => [nameOf(entry), entry]));
  for (const entry of added) {
    if (entry.includes('=')) values.set(nameOf(entry), entry);
    else values.delete(entry);
  }
  return [...values.values()];
}

function nameOf(entry: string): string {
  return entry.split('=', 1)[0] ?? '';
}

/** What a change does at once, and what at the machine's next start. */
export function describeChanges(
  before: MachineRecord,
  after: MachineRecord,
  { isRunning, isBalloonSet }: { readonly isRunning: boolean; readonly isBalloonSet: boolean },
): UpdateResult {
  const now: string[] = [];
  const later: string[] = [];
  const { plan: was, settings: had } = before;
  const { plan: is, settings: has } = after;
  if (was.memoryMiB !== is.memoryMiB) {
    const size = formatMiB(is.memoryMiB);
    const isShrunk = is.memoryMiB < was.memoryMiB;
    if (isBalloonSet && isShrunk) now.push(`memory: the guest is asked to give back all but ${size}`);
    later.push(`memory: ${size}`);
  }
  if (was.cpus !== is.cpus || had.cpus !== has.cpus) later.push(`processors: ${has.cpus ?? is.cpus}`);
  if (portsText(was.ports) !== portsText(is.ports)) later.push(`ports: ${portsText(is.ports) || 'none'}`);
  if (JSON.stringify(had.env) !== JSON.stringify(has.env)) later.push('environment');
  if (JSON.stringify(had.restart) !== JSON.stringify(has.restart))
    now.push(`restart policy: ${restartText(has)}`);
  if (JSON.stringify(had.labels) !== JSON.stringify(has.labels)) now.push('labels');
  // What does not run has it all the next time.
  return isRunning ? { now, atNextStart: later } : { now: [], atNextStart: [...now, ...later] };
}

/** A machine's ports as people write them: `8080:80, 127.0.0.1:53:53/udp`. */
export function portsText(ports: readonly PortMapping[]): string {
  return ports
    .map(({ address, host, guest, protocol }) => {
      const suffix = protocol === 'udp' ? '/udp' : '';
      return `${address === undefined ? '' : `${address}:`}${host}:${guest}${suffix}`;
    })
    .join(', ');
}

export function restartText({ restart }: Pick<MachineSettings, 'restart'>): string {
  return restart.retries === undefined ? restart.policy : `${restart.policy}:${restart.retries}`;
}
