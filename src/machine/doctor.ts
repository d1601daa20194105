import { rmSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import { removeLinks } from '../host/bridge-ports.ts';
import { exists, listDirectory, readTextIfThere } from '../host/files.ts';
import type { MachineHost } from './host.ts';
import { leaveBridges, machineTaps, tapPrefix } from './network.ts';
import type { MachineFiles } from './places.ts';
import type { MachineRecord } from './record.ts';
import { resolveMachine } from './resolve.ts';
import type { MachineRouter } from './router.ts';
import { isThere, readProcess } from './run-state.ts';
import { isBroken } from './store.ts';
import { isSystemdThere } from './systemd/booted.ts';
import { Systemctl } from './systemd/systemctl.ts';
import { editedUnits, removeUnits } from './systemd/unit-files.ts';
import { isUntouched, machineOfUnit } from './systemd/units.ts';

/** Something that does not fit together. */
export interface Finding {
  readonly kind:
    | 'unreadable'
    | 'unusable'
    | 'unit-missing'
    | 'unit-edited'
    | 'unit-outdated'
    | 'unit-orphaned'
    | 'run-stale'
    | 'tap-stale';
  /** A machine's name, or that of an interface whose machine is not known any more. */
  readonly name: string;
  readonly what: string;
  /** What helps, or what was done. */
  readonly remedy: string;
}

/** Look for machines and units that do not fit together. */
export async function diagnose(host: MachineHost, machines: MachineRouter): Promise<readonly Finding[]> {
  const { store } = machines;
  const { units } = host.places;
  const findings: Finding[] = [];
  const known = new Set<string>();
  for (const found of store.readAll()) {
    const { name } = found;
    if (isBroken(found)) {
      known.add(name);
      findings.push({
        kind: 'unreadable',
        name,
        what: found.problem.message,
        remedy: `ucrun machine rm --force ${name}`,
      });
      continue;
    }
    const files = store.files(name);
    const problem = problemOf(host, found, files);
    if (problem !== undefined)
      findings.push({
        kind: 'unusable',
        name,
        what: `it cannot be started: ${problem.message}`,
        remedy: problem.hint ?? `ucrun machine rm ${name}`,
      });
    if (found.manager === 'ucrun') {
      const qemu = readProcess(files);
      if (exists(files.state) && qemu !== undefined && !isThere(qemu))
        findings.push({
          kind: 'run-stale',
          name,
          what: 'it ended without anybody noticing',
          remedy: 'its end is written down',
        });
      continue;
    }
    known.add(name);
    // What its units are to be nobody knows.
    if (problem !== undefined) continue;
    const edited = editedUnits(units, name);
    const wanted = machines.systemd.unitsOf(found);
    const missing = wanted.filter((unit) => !exists(`${units}/${unit.name}`));
    const outdated = wanted.filter((unit) => {
      const text = readTextIfThere(`${units}/${unit.name}`);
      return text !== undefined && text !== unit.text && isUntouched(text);
    });
    if (missing[0] !== undefined)
      findings.push({
        kind: 'unit-missing',
        name,
        what: `its unit ${missing[0].name} is gone`,
        remedy: 'the unit is written anew',
      });
    if (edited[0] !== undefined)
      findings.push({
        kind: 'unit-edited',
        name,
        what: `its unit ${edited[0]} was changed by hand`,
        remedy: `move the changes to a drop-in with "systemctl edit", then "ucrun machine update --force ${name}"`,
      });
    if (outdated[0] !== undefined && missing.length === 0)
      findings.push({
        kind: 'unit-outdated',
        name,
        what: `its unit ${outdated[0].name} is not as this ucrun would write it`,
        remedy: 'the unit is written anew',
      });
  }
  for (const unit of listDirectory(units)) {
    const name = machineOfUnit(unit);
    if (name === undefined || known.has(name) || !isOurs(`${units}/${unit}`)) continue;
    findings.push({
      kind: 'unit-orphaned',
      name,
      what: `its unit ${unit} is there, but the machine is not`,
      remedy: 'the unit is stopped and removed',
    });
  }
  return [...findings, ...staleTaps(host, store.names())];
}

/** Taps of machines that do not run. */
function staleTaps({ places }: MachineHost, names: readonly string[]): readonly Finding[] {
  const taps = places.scope === 'system' ? machineTaps() : [];
  if (taps.length === 0) return [];
  const running = listDirectory(places.run)
    .filter((name) => exists(`${places.run}/${name}/state.json`))
    .map(tapPrefix);
  return taps
    .filter((tap) => !running.some((prefix) => tap.startsWith(prefix)))
    .map((tap) => ({
      kind: 'tap-stale',
      name: tap,
      what: `it is there for the machine "${names.find((name) => tap.startsWith(tapPrefix(name))) ?? 'that was'}", which does not run`,
      remedy: 'the interface is removed',
    }));
}

/** What is wrong with what a machine is made of. One such machine keeps no other from being looked at. */
function problemOf(
  host: MachineHost,
  record: MachineRecord,
  files: Pick<MachineFiles, 'registry'>,
): RuntimeError | undefined {
  try {
    resolveMachine(host, record, files);
    return undefined;
  } catch (error) {
    if (error instanceof RuntimeError) return error;
    throw error;
  }
}

/** Whether {@link repair} can do something about it. */
export function isRepairable({ kind }: Finding): boolean {
  return kind !== 'unreadable' && kind !== 'unusable' && kind !== 'unit-edited';
}

/** @returns whether it was repaired; what somebody has changed by hand is for that one to decide */
export async function repair(host: MachineHost, machines: MachineRouter, finding: Finding): Promise<boolean> {
  const { name } = finding;
  switch (finding.kind) {
    case 'unit-missing':
    case 'unit-outdated':
      await machines.systemd.repair(machines.store.read(name));
      return true;
    case 'unit-orphaned':
      await removeOrphan(host, name);
      return true;
    case 'run-stale':
      await machines.qemu.ended(name, 137);
      return true;
    case 'tap-stale':
      removeLinks([name]);
      return true;
    default:
      return false;
  }
}

async function removeOrphan({ places, env }: MachineHost, name: string): Promise<void> {
  const systemctl = new Systemctl(places.scope, env);
  const units = [`ucrun-${name}.socket`, `ucrunproxy-${name}.service`, `ucrun-${name}.service`];
  const isThereToo = isSystemdThere(places.scope, env);
  if (isThereToo) {
    await systemctl.attempt(['stop', ...units]);
    await systemctl.attempt(['disable', ...units]);
  }
  removeUnits(places.units, name);
  leaveBridges(places, name);
  rmSync(`${places.run}/${name}`, { recursive: true, force: true });
  if (isThereToo) await systemctl.attempt(['daemon-reload']);
}

function isOurs(path: string): boolean {
  return readTextIfThere(path)?.startsWith('# ucrun machine "') === true;
}
