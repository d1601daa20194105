import { realpathSync } from 'node:fs';
import { listDirectory, readTextIfThere } from '../host/files.ts';
import { pathsOf } from './state-dir.ts';

/**
 * The ids of the containers of this user that use a file below a directory: what they have open, and what they need to start again,
 * is in their records and in their sandboxes' specifications.
 */
export function containersUsing(stateRoot: string, directory: string): readonly string[] {
  const prefix = `${realpathSync(directory)}/`;
  return listDirectory(stateRoot).flatMap((name) => {
    // An id has no colon; crun's root before it may.
    const [, id] = /:([^:]+)$/.exec(name) ?? [];
    if (id === undefined) return [];
    const { record, sandboxConfig } = pathsOf(`${stateRoot}/${name}`);
    return [record, sandboxConfig].some((path) => namesFileBelow(prefix, path)) ? [id] : [];
  });
}

function namesFileBelow(prefix: string, jsonFile: string): boolean {
  const text = readTextIfThere(jsonFile);
  if (text === undefined) return false;
  let found = false;
  try {
    JSON.parse(text, (_key, value: unknown) => {
      found ||= typeof value === 'string' && value.startsWith(prefix);
      return value;
    });
  } catch {
    // A record that cannot be read is reported by whoever needs it; its container may use anything, and says so by its text.
    return text.includes(prefix);
  }
  return found;
}
