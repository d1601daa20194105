import { RuntimeError } from '../../base/runtime-error.ts';
import { readForeignText, removeText, replaceText } from '../../host/text-file.ts';
import { diffText, undo } from '../../setup/change.ts';
import type { EngineName } from '../../setup/engine.ts';
import type { EngineSetup, SetupContext } from './engine-setup.ts';
import { engines } from './engines.ts';
import { requireEngine } from './find.ts';
import {
  changeOf,
  readSetupRecord,
  recordDirectory,
  removeSetupRecord,
  type SetupRecord,
  writeSetupRecord,
} from './record.ts';

/**
 * Put ucrun into an engine's configuration.
 * @returns what to print
 * @throws RuntimeError
 */
export function addToEngine(name: EngineName, context: SetupContext, isDryRun: boolean): string {
  const { prepare, isForUsers, hasUcrun, takeOut } = engines[name];
  if (!isForUsers && !isDryRun) requireRoot(name, context);
  const setup = prepare(context, requireEngine(name, context.env));
  const { path } = setup;
  const directory = recordDirectory(context);
  const record = readSetupRecord(directory, name);
  if (record !== undefined && record.path !== path) throw movedOn(name, record, path);
  const now = readForeignText(path);
  const undone =
    record === undefined
      ? { isChanged: false as const, text: now }
      : undo(now, changeOf(record), takeOut && ((text) => takeOut({ path, text }, changeOf(record))));
  if (undone.isChanged && hasUcrun({ path, text: now ?? '' })) throw changedByOthers(name, path);
  // Somebody who has written the file anew has taken ucrun out of it: then it is theirs as it is.
  const original = undone.isChanged ? now : undone.text;
  const written = setup.plan(original ?? '');
  if (written === now) return `${setup.title}: nothing to do, ${path} has ucrun\n`;
  const diff = diffText(path, now, written);
  if (isDryRun) return diff;
  apply(setup, { now, original, written, directory, name, record });
  return [diff, `${setup.title} knows ucrun\n`, ...setup.nextSteps.map((step) => `${step}\n`)].join('');
}

/** For a file of which nobody can tell any more what is ucrun's. */
export function changedByOthers(name: EngineName, path: string): RuntimeError {
  return new RuntimeError('ENGINE_CONFIG_CHANGED', `somebody has changed what setup wrote into ${path}`, {
    hint: `nothing was touched; take ucrun out of it by hand, then "ucrun setup ${name} --remove" forgets it`,
  });
}

function apply(
  setup: EngineSetup,
  file: {
    readonly now: string | undefined;
    readonly original: string | undefined;
    readonly written: string;
    readonly directory: string;
    readonly name: EngineName;
    readonly record: SetupRecord | undefined;
  },
): void {
  const { now, original, written, directory, name, record } = file;
  const { path } = setup;
  const made = replaceText(path, written);
  try {
    writeSetupRecord(directory, name, {
      version: 1,
      path,
      original: original ?? null,
      written,
      directories: [...(record?.directories ?? []), ...made],
    });
    setup.validate();
  } catch (error) {
    // As if it had never been tried.
    if (now === undefined) removeText(path, made);
    else replaceText(path, now);
    if (record === undefined) removeSetupRecord(directory, name);
    else writeSetupRecord(directory, name, record);
    throw error;
  }
}

function requireRoot(name: EngineName, { isHostRoot }: SetupContext): void {
  if (isHostRoot) return;
  throw new RuntimeError('HOST_FAILED', `only root can change the configuration of ${name}`, {
    hint: `sudo ucrun setup ${name}; with --dry-run everybody sees what it would do`,
  });
}

function movedOn(name: EngineName, record: SetupRecord, path: string): RuntimeError {
  return new RuntimeError(
    'ENGINE_CONFIG_CHANGED',
    `ucrun is in ${record.path} already, and ${name} now has ${path} for it`,
    { hint: `"ucrun setup ${name} --remove" first` },
  );
}
