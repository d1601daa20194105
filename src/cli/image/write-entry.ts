import { statSync } from 'node:fs';
import { formatBytes } from '../../base/size.ts';
import { copyFileTo } from '../../host/copy-file.ts';
import { writeFileAtomic } from '../../host/files.ts';
import { checkFree, openStaging, type Staging, writableRegistry } from '../../host/registry-store.ts';
import { parseDefinition } from '../../unikernel/definition.ts';
import type { EntryPlan } from '../../unikernel/entry-plan.ts';
import type { Answer, ImageContext } from './context.ts';
import { refuseInUse } from './in-use.ts';

/** A unikernel that a command is to make. */
export interface NewEntry {
  readonly name: string;
  readonly replace: boolean;
}

/**
 * Make a unikernel in the registry, whole or not at all.
 * @param fill puts its files into the place that it is given, and says what they are
 * @throws RuntimeError UNIKERNEL_EXISTS, UNIKERNEL_IN_USE
 */
export async function makeEntry(
  context: ImageContext,
  { name, replace }: NewEntry,
  fill: (staging: Staging) => Promise<{ readonly plan: EntryPlan; readonly notes: readonly string[] }>,
): Promise<Answer> {
  const registry = writableRegistry(context.config.registries);
  const directory = `${registry}/${name}`;
  if (!replace) checkFree(registry, name);
  else refuseInUse(context, name, directory);
  const staging = openStaging(registry);
  try {
    const { plan, notes } = await fill(staging);
    // What was written is read as a container would: an error in it is this command's.
    const definition = parseDefinition(plan.content, `${directory}/unikernel.json`);
    writeFileAtomic(
      `${staging.entry}/unikernel.json`,
      `${JSON.stringify(plan.content, undefined, 2)}\n`,
      0o644,
    );
    context.signal.throwIfAborted();
    staging.commit(name, replace);
    const sizeBytes = plan.files.reduce(
      (total, file) => total + statSync(`${directory}/${file.name}`).size,
      0,
    );
    return {
      text: `added ${name} (${definition.guest}, ${formatBytes(sizeBytes)})\n`,
      json: { name, directory, definition, sizeBytes },
      notes,
    };
  } finally {
    context.progress.end();
    staging.discard();
  }
}

/** Copy a unikernel's files of the host's to where it is made. */
export async function copyFiles(
  { progress, signal }: ImageContext,
  { files }: EntryPlan,
  directory: string,
): Promise<void> {
  const total = files.reduce((sum, { from }) => sum + statSync(from).size, 0);
  progress.begin('copying', total);
  for (const { from, name } of files)
    await copyFileTo(from, `${directory}/${name}`, { mode: 0o644, signal, onBytes: progress.onBytes });
}
