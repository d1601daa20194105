import { RuntimeError } from '../../base/runtime-error.ts';
import { makeDirectory, readTextIfThere, writeFileAtomic } from '../../host/files.ts';
import { removeText } from '../../host/text-file.ts';
import type { Change } from '../../setup/change.ts';
import type { EngineName } from '../../setup/engine.ts';
import type { SetupContext } from './engine-setup.ts';

/** What `setup` did to an engine's configuration, kept so that `--remove` can undo it. */
export interface SetupRecord {
  readonly version: 1;
  readonly path: string;
  /** null: there was no such file. */
  readonly original: string | null;
  readonly written: string;
  /** The directories that were made for the file, the outermost first. */
  readonly directories: readonly string[];
}

/** Where the records are: what was in a file may be its owner's secret, so nobody else reads them. */
export function recordDirectory({ isHostRoot, home, env }: Omit<SetupContext, 'wish'>): string {
  if (isHostRoot) return '/var/lib/ucrun/setup';
  const { XDG_STATE_HOME: given } = env;
  return given?.startsWith('/') ? `${given}/ucrun/setup` : `${home}/.local/state/ucrun/setup`;
}

/** @throws RuntimeError STATE_BROKEN */
export function readSetupRecord(directory: string, engine: EngineName): SetupRecord | undefined {
  const path = recordPath(directory, engine);
  const text = readTextIfThere(path);
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as SetupRecord;
    if (record.version === 1 && typeof record.written === 'string') return record;
  } catch {
    // said below
  }
  throw new RuntimeError('STATE_BROKEN', `the record "${path}" of what setup wrote cannot be read`, {
    hint: `take ucrun out of ${engine}'s configuration by hand, and remove that record`,
  });
}

export function writeSetupRecord(directory: string, engine: EngineName, record: SetupRecord): void {
  makeDirectory(directory, 0o700);
  writeFileAtomic(recordPath(directory, engine), `${JSON.stringify(record, undefined, 2)}\n`, 0o600);
}

export function removeSetupRecord(directory: string, engine: EngineName): void {
  removeText(recordPath(directory, engine), [directory]);
}

export function changeOf({ original, written }: SetupRecord): Change {
  return { original: original ?? undefined, written };
}

function recordPath(directory: string, engine: EngineName): string {
  return `${directory}/${engine}.json`;
}
