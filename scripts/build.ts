/**
 * Builds the executable: a bundle of src/, embedded into Node by Node's own single-executable support.
 * Usage: node scripts/build.ts [--arch x64|arm64] [--commit HASH] [--entry FILE] [--output FILE]
 * Nothing is downloaded here except, when building for the other architecture, that architecture's Node.
 * @see docs/decisions/0001-executable.md for why the options are what they are
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { arch as hostArch } from 'node:process';
import { parseArgs } from 'node:util';
import { type Bundle, bundle } from './bundle.ts';
import { licensesOf } from './licenses.ts';
import { withoutSymbols } from './without-symbols.ts';

const root = resolve(import.meta.dirname, '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const { values: options } = parseArgs({
  options: {
    arch: { type: 'string', default: hostArch },
    commit: { type: 'string', default: 'unknown' },
    entry: { type: 'string', default: join(root, 'src/cli/main.ts') },
    output: { type: 'string' },
  },
});
const { arch, commit, entry } = options;
if (arch !== 'x64' && arch !== 'arm64') fail(`cannot build for "${arch}": ARCH is x64 or arm64`);
const isNative = arch === hostArch;
const output = resolve(options.output ?? join(root, isNative ? 'dist/ucrun' : `dist/ucrun-${arch}`));

/**
 * With these options the code caches, and so the executable, are the same each time: V8 orders tables by hashes, whose seed is
 * otherwise random, and what other threads do leaves traces in unused bytes.
 */
const repeatable = ['--predictable', '--random-seed=1'];
/** Makes the code cache of a script, in a process that has done nothing else. Node makes that of the main script itself. */
const makeCodeCache = `
  const [, name] = process.argv;
  const script = new (require('node:vm').Script)(fs.readFileSync(name, 'utf8'), { filename: name });
  fs.writeFileSync(name + '.cache', script.createCachedData());
`;

const texts = { __UCRUN_VERSION__: manifest.version, __UCRUN_COMMIT__: commit };
const { scripts, packages } = await bundle(entry, texts);
embed(scripts, output);
writeFileSync(`${output}.licenses`, licensesOf([dirname(dirname(nodeFor(hostArch))), ...packages]));
const sizeMiB = Math.round(statSync(output).size / 2 ** 20);
console.log(`built ${relative(root, output)} (${sizeMiB} MiB, ${manifest.version}, ${commit})`);

/**
 * Writes `executable`: Node with the bundle inside. It is written elsewhere and renamed, as another ucrun may be
 * running from it. The scripts and maps that went into it stay in build/, to read a stack trace with.
 */
function embed(scripts: Bundle['scripts'], executable: string): void {
  mkdirSync(dirname(executable), { recursive: true });
  mkdirSync(join(root, 'build'), { recursive: true });
  const work = mkdtempSync(join(root, 'build/bundle-'));
  const temporary = `${executable}.${process.pid}`;
  try {
    const write = (name: string, content: string | Uint8Array) => writeFileSync(join(work, name), content);
    const assets: string[] = [];
    for (const [name, script] of scripts) {
      write(name, script.code);
      write(`${name}.map`, script.map);
      if (name === 'main.cjs') continue;
      if (isNative)
        execFileSync(nodeFor(hostArch), [...repeatable, '--eval', makeCodeCache, name], { cwd: work });
      else write(`${name}.cache`, '');
      assets.push(name, `${name}.cache`);
    }
    write('sea.json', JSON.stringify(seaConfig(assets, temporary)));
    write('node', withoutSymbols(readFileSync(nodeFor(arch))));
    // In that folder, as the script's path gets into the executable and into its stack traces.
    execFileSync(nodeFor(hostArch), [...repeatable, '--build-sea', 'sea.json'], {
      cwd: work,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    chmodSync(temporary, 0o755);
    renameSync(temporary, executable);
    rmSync(join(work, 'node'));
    const kept = join(root, 'build', `${basename(executable)}.bundle`);
    rmSync(kept, { recursive: true, force: true });
    renameSync(work, kept);
  } finally {
    rmSync(work, { recursive: true, force: true });
    rmSync(temporary, { force: true });
  }
}

/** @see Node.js documentation, "Single executable applications" */
function seaConfig(assets: readonly string[], output: string) {
  return {
    main: 'main.cjs',
    mainFormat: 'commonjs',
    assets: Object.fromEntries(assets.map((name) => [name, name])),
    executable: 'node',
    output,
    disableExperimentalSEAWarning: true,
    // Only the processor's own Node can make it.
    useCodeCache: isNative,
    // A runtime is called with its caller's environment: NODE_OPTIONS must not reach into it.
    execArgvExtension: 'none',
  };
}

/** The path of the pinned Node for a processor: npm installed the host's own, the other is fetched. */
function nodeFor(arch: string): string {
  const name = `node-linux-${arch}`;
  const installed = join(root, 'node_modules', name, 'bin/node');
  if (existsSync(installed)) return installed;
  if (arch === hostArch) fail(`${name} is not installed: run "npm ci" (without --omit=optional)`);
  return fetchNode(name);
}

/** Takes Node for another processor from npm's registry, and believes only what package-lock.json lists. */
function fetchNode(name: string): string {
  const version = manifest.optionalDependencies[name];
  const folder = join(root, 'build', `${name}-${version}`);
  const node = join(folder, 'package/bin/node');
  if (existsSync(node)) return node;
  mkdirSync(folder, { recursive: true });
  const archive = join(folder, `${name}-${version}.tgz`);
  execFileSync('npm', ['pack', '--silent', `${name}@${version}`, '--pack-destination', folder], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const integrity = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (integrity !== lock.packages[`node_modules/${name}`].integrity) {
    rmSync(folder, { recursive: true });
    fail(`${name}@${version} from the registry is not the one that package-lock.json names`);
  }
  execFileSync('tar', ['-xzf', archive, '-C', folder, 'package/bin/node']);
  rmSync(archive);
  return node;
}

function fail(message: string): never {
  console.error(`build: ${message}`);
  process.exit(1);
}
