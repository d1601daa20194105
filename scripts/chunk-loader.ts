/**
 * Finds the parts of a bundled program. The main script has this module, and hands it on to the others.
 * @see bundle.ts
 */

/** Which script has a chunk, as JSON; the bundler puts it here. */
declare const __CHUNK_SCRIPTS__: string;

type ChunkScript = (requireChunk: unknown, provideChunk: unknown, require: unknown) => void;

const chunks = new Map<string, () => unknown>();

/** Makes a chunk known to other scripts; `run` runs it, at the first call, and returns its exports. */
export function provideChunk(name: string, run: () => unknown): void {
  chunks.set(name, run);
}

/** The exports of a chunk. The script that it is in is loaded first if need be. */
export function requireChunk(name: string): unknown {
  const run = chunks.get(name);
  if (run !== undefined) return run();
  const script = JSON.parse(__CHUNK_SCRIPTS__)[name];
  if (script === undefined) throw new Error(`chunk "${name}" is in no script`);
  load(script)(requireChunk, provideChunk, requireBuiltin);
  return chunks.get(name)?.();
}

/** Compiles a script with the help of its code cache. If V8 finds that the cache does not fit, it does without. */
function load(script: string): ChunkScript {
  // Not imported: a start that needs no other script does not need these modules either.
  const { getAsset } = process.getBuiltinModule('node:sea');
  const { Script } = process.getBuiltinModule('node:vm');
  const cachedData = new Uint8Array(getAsset(`${script}.cache`));
  return new Script(getAsset(script, 'utf8'), { filename: script, cachedData }).runInThisContext();
}

function requireBuiltin(name: string): object {
  const builtin = process.getBuiltinModule(name);
  if (builtin === undefined)
    throw new Error(`module "${name}" is neither a part of this program nor of Node`);
  return builtin;
}
