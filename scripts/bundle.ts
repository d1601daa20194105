import { basename, join } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';

/** Global names that stand for a text, such as the version. */
type Texts = Readonly<Record<string, string>>;

export interface BundledScript {
  readonly code: string;
  readonly map: string;
}

export interface Bundle {
  /** `main.cjs`, which runs at every start, and the scripts that it loads when they are first needed. */
  readonly scripts: ReadonlyMap<string, BundledScript>;
  /** The folders of the packages that are in it. */
  readonly packages: readonly string[];
}

/** A module as esbuild's splitting makes it, under the name by which others import it. */
interface Chunk {
  readonly name: string;
  readonly code: string;
  /** The names of the chunks that it imports. */
  readonly imports: readonly string[];
  /** The folders of the packages whose code is in it. */
  readonly packages: readonly string[];
}
type Chunks = ReadonlyMap<string, Chunk>;

const entryName = './main.js';
const mainScript = 'main.cjs';
const chunkPattern = /^\.\/[^/]+\.js$/;
const packagePattern = /^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+/;

const common = {
  bundle: true,
  write: false,
  platform: 'node',
  target: 'node26',
  // Names stay as they are, so that a stack trace in a bug report can be read without the map.
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
} as const satisfies BuildOptions;

/**
 * Bundles a program for a single executable, so that it reads nothing from disk and loads nothing that it does not
 * need: whatever is in the main script costs time at each start, even if it never runs.
 *
 * esbuild splits the program at its `import()`s, into chunks. Those of our own code are joined again; in the main script
 * each of them still runs only when it is asked for. Those with a library in them become scripts of their own.
 * @see docs/decisions/0001-executable.md
 */
export async function bundle(entry: string, texts: Texts): Promise<Bundle> {
  const chunks = await split(entry, texts);
  const scriptOf = assignScripts(chunks);
  const scripts = new Map<string, BundledScript>();
  for (const script of new Set(scriptOf.values())) {
    scripts.set(script, await writeScript(script, chunks, scriptOf));
  }
  const packages = new Set([...chunks.values()].flatMap(({ packages }) => packages));
  return { scripts, packages: [...packages].sort() };
}

async function split(entry: string, texts: Texts): Promise<Chunks> {
  const { metafile, outputFiles } = await build({
    ...common,
    entryPoints: { main: entry },
    format: 'esm',
    splitting: true,
    outdir: 'chunks',
    metafile: true,
    // What it gives to require() asks for its own files in a way that no bundler follows.
    alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
    // The scripts' own maps are made from these.
    sourcemap: 'inline',
    define: {
      ...Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, JSON.stringify(text)])),
      // Some libraries look for files beside their code. Here there are none, and below /proc/0 nobody can put any.
      'import.meta.url': '"file:///proc/0/ucrun.cjs"',
    },
  });
  const codes = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
  const chunks = new Map<string, Chunk>();
  for (const [path, { imports, inputs, entryPoint = '' }] of Object.entries(metafile.outputs)) {
    if (metafile.inputs[entryPoint]?.format === 'cjs') {
      throw new Error(
        `import() of ${entryPoint}, a CommonJS module, has no named exports: import it in a module of ours`,
      );
    }
    const name = `./${basename(path)}`;
    chunks.set(name, {
      name,
      code: codes.get(basename(path)) ?? '',
      imports: imports.filter(({ external }) => external !== true).map(({ path }) => `./${basename(path)}`),
      packages: Object.keys(inputs).flatMap((input) => packagePattern.exec(input)?.[0] ?? []),
    });
  }
  return chunks;
}

/** Our own code is small, and loading another script takes longer than having all of it in the main one. */
function assignScripts(chunks: Chunks): ReadonlyMap<string, string> {
  const assign = ({ name, packages }: Chunk) =>
    packages.length > 0 && name !== entryName ? `${basename(name, '.js')}.cjs` : mainScript;
  return new Map([...chunks.values()].map((chunk) => [chunk.name, assign(chunk)]));
}

/** Joins the chunks of a script. Each that another script asks for is provided, and so runs when it is asked for. */
async function writeScript(
  script: string,
  chunks: Chunks,
  scriptOf: ReadonlyMap<string, string>,
): Promise<BundledScript> {
  const isHere = (name: string) => scriptOf.get(name) === script;
  const elsewhere = [...chunks.values()].filter(({ name }) => !isHere(name));
  const provided = new Set(elsewhere.flatMap(({ imports }) => imports).filter(isHere));
  const provide = [...provided].map((name) => `provideChunk('${name}', () => require('${name}'));`);

  const isMain = script === mainScript;
  const modules: Plugin = {
    name: 'chunks',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: chunkPattern }, ({ path }) => ({
        path,
        namespace: isHere(path) ? 'here' : 'elsewhere',
      }));
      onLoad({ filter: /.*/, namespace: 'here' }, ({ path }) => ({ contents: chunks.get(path)?.code ?? '' }));
      onLoad({ filter: /.*/, namespace: 'elsewhere' }, ({ path }) => ({
        contents: `module.exports = requireChunk('${path}')`,
      }));
    },
  };
  const { outputFiles } = await build({
    ...common,
    stdin: {
      contents: [...provide, isMain ? `require('${entryName}');` : ''].join('\n'),
      resolveDir: import.meta.dirname,
    },
    format: 'cjs',
    outfile: script,
    sourcemap: 'external',
    plugins: [modules],
    // An import() of a module of Node's: scripts in an executable know only require.
    supported: { 'dynamic-import': false },
    ...(isMain
      ? {
          inject: [join(import.meta.dirname, 'chunk-loader.ts')],
          define: { __CHUNK_SCRIPTS__: JSON.stringify(JSON.stringify(Object.fromEntries(scriptOf))) },
        }
      : { banner: { js: '(function(requireChunk,provideChunk,require){' }, footer: { js: '})' } }),
  });
  const text = (end: string) => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? '';
  return { code: text('.cjs'), map: text('.cjs.map') };
}
