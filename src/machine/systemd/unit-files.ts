import { mkdirSync, rmSync } from 'node:fs';
import { RuntimeError } from '../../base/runtime-error.ts';
import { readTextIfThere, writeFileAtomic } from '../../host/files.ts';
import { isUntouched, proxyName, serviceName, socketName, type UnitFile } from './units.ts';

/** The names of the units that a machine can have. */
export function unitNames(machine: string): readonly string[] {
  return [serviceName(machine), socketName(machine), proxyName(machine)];
}

/** The paths of a machine's units that somebody has changed by hand, or that are not ucrun's. */
export function editedUnits(directory: string, machine: string): readonly string[] {
  return unitNames(machine)
    .map((name) => `${directory}/${name}`)
    .filter((path) => {
      const text = readTextIfThere(path);
      return text !== undefined && !isUntouched(text);
    });
}

/**
 * Write a machine's units, where they are not as they should be.
 * @returns whether anything was changed
 * @throws RuntimeError UNIT_EDITED if somebody has changed one, unless by force
 */
export function writeUnits(
  directory: string,
  machine: string,
  units: readonly UnitFile[],
  force: boolean,
): boolean {
  const current = units.map(({ name, text }) => ({
    path: `${directory}/${name}`,
    text,
    before: readTextIfThere(`${directory}/${name}`),
  }));
  const changed = current.filter(({ text, before }) => text !== before);
  const obsolete = unitNames(machine)
    .filter((name) => !units.some((unit) => unit.name === name))
    .map((name) => `${directory}/${name}`)
    .filter((path) => readTextIfThere(path) !== undefined);
  if (changed.length === 0 && obsolete.length === 0) return false;
  if (!force) refuseEdited(directory, machine);
  mkdirSync(directory, { recursive: true });
  for (const { path, text } of changed) writeFileAtomic(path, text, 0o644);
  for (const path of obsolete) rmSync(path, { force: true });
  return true;
}

/** @throws RuntimeError UNIT_EDITED */
export function refuseEdited(directory: string, machine: string): void {
  const [edited] = editedUnits(directory, machine);
  if (edited === undefined) return;
  throw new RuntimeError('UNIT_EDITED', `unit "${edited}" was changed by hand`, {
    hint: `move the changes to a drop-in with "systemctl edit", then let --force overwrite it`,
  });
}

/** Remove a machine's units. @returns whether there were any */
export function removeUnits(directory: string, machine: string): boolean {
  const there = unitNames(machine)
    .map((name) => `${directory}/${name}`)
    .filter((path) => readTextIfThere(path) !== undefined);
  for (const path of there) rmSync(path, { force: true });
  return there.length > 0;
}
