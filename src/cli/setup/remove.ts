import { readForeignText, removeText, replaceText } from '../../host/text-file.ts';
import { diffText, undo } from '../../setup/change.ts';
import type { EngineName } from '../../setup/engine.ts';
import { asRuntimeError } from '../report-error.ts';
import { changedByOthers } from './add.ts';
import type { SetupContext } from './engine-setup.ts';
import { engines } from './engines.ts';
import { changeOf, readSetupRecord, recordDirectory, removeSetupRecord } from './record.ts';

/**
 * Take out of an engine's configuration what setup put there.
 * @returns what to print
 * @throws RuntimeError ENGINE_CONFIG_CHANGED if somebody has changed it since; then nothing is touched
 */
export function removeFromEngine(name: EngineName, context: SetupContext, isDryRun: boolean): string {
  const directory = recordDirectory(context);
  const record = readSetupRecord(directory, name);
  if (record === undefined) return `${name}: nothing to do, setup has not written to its configuration\n`;
  const { path } = record;
  const { hasUcrun, takeOut } = engines[name];
  const now = readForeignText(path);
  const undone = undo(
    now,
    changeOf(record),
    takeOut && ((text) => takeOut({ path, text }, changeOf(record))),
  );
  if (undone.isChanged) {
    if (hasUcrun({ path, text: now ?? '' })) throw changedByOthers(name, path);
    if (!isDryRun) removeSetupRecord(directory, name);
    return `${name}: nothing to do, somebody has taken ucrun out of ${path} already\n`;
  }
  const { text } = undone;
  // Whatever could not be read as this engine's configuration any more is not written.
  if (text !== undefined && text !== record.original && hasUcrun({ path, text }))
    throw changedByOthers(name, path);
  const diff = text === now ? '' : diffText(path, now, text);
  if (isDryRun) return diff;
  if (text === undefined) removeText(path, record.directories);
  else if (text !== now) replaceText(path, text);
  removeSetupRecord(directory, name);
  return `${diff}${name} does not know ucrun any more${restart[name]}\n`;
}

/** What `--remove` without an engine is about. */
export function engineNamesWithRecord(
  names: readonly EngineName[],
  context: SetupContext,
): readonly EngineName[] {
  return names.filter((name) => hasRecord(recordDirectory(context), name));
}

function hasRecord(directory: string, name: EngineName): boolean {
  try {
    return readSetupRecord(directory, name) !== undefined;
  } catch (error) {
    // One that cannot be read is told of when it is looked at in earnest.
    if (asRuntimeError(error) !== undefined) return true;
    throw error;
  }
}

const restart: Readonly<Record<EngineName, string>> = {
  podman: '',
  docker: ' once it has read that: systemctl reload docker',
  containerd: ' once it is restarted: systemctl restart containerd',
  crio: ' once it is restarted: systemctl restart crio',
};
