/**
 * Builds the executable: one bundle of src/, embedded into Node by Node's own single-executable support.
 * Usage: node scripts/build.ts [--arch x64|arm64] [--commit HASH] [--output FILE]
 * Nothing is downloaded here except, when building for the other architecture, that architecture's Node.
 * @see docs/decisions/0001-executable.md for why the options are what they are
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { arch as hostArch } from 'node:process';
import { parseArgs } from 'node:util';
import { bundle } from './bundle.ts';

const root = resolve(import.meta.dirname, '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const { values: options } = parseArgs({
  options: {
    arch: { type: 'string', default: hostArch },
    commit: { type: 'string', default: 'unknown' },
    output: { type: 'string' },
  },
});
const { arch } = options;
if (arch !== 'x64' && arch !== 'arm64') fail(`cannot build for "${arch}": ARCH is x64 or arm64`);
const native = arch === hostArch;
const output = resolve(root, options.output ?? (native ? 'dist/ucrun' : `dist/ucrun-${arch}`));

const script = join(root, 'build', native ? 'ucrun.cjs' : `ucrun-${arch}.cjs`);
mkdirSync(dirname(script), { recursive: true });
mkdirSync(dirname(output), { recursive: true });
await bundle({
  entry: join(root, 'src/cli/main.ts'),
  output: script,
  version: manifest.version,
  commit: options.commit,
});
embed(script, output);

/** Writes `executable` = Node + script. Written beside and renamed: another ucrun may be running from it. */
function embed(script: string, executable: string): void {
  const temporary = `${executable}.${process.pid}`;
  const config = `${script}.sea.${process.pid}.json`;
  writeFileSync(
    config,
    JSON.stringify({
      main: script,
      mainFormat: 'commonjs',
      executable: nodeFor(arch),
      output: temporary,
      disableExperimentalSEAWarning: true,
      // The code cache belongs to one processor type, and only that processor's Node can make it.
      useCodeCache: native,
      // A runtime is called with its caller's environment: NODE_OPTIONS must not reach into it.
      execArgvExtension: 'none',
    }),
  );
  try {
    execFileSync(nodeFor(hostArch), ['--build-sea', config], { stdio: ['ignore', 'pipe', 'inherit'] });
    renameSync(temporary, executable);
  } finally {
    rmSync(config, { force: true });
    rmSync(temporary, { force: true });
  }
  const sizeMiB = (statSync(executable).size / 2 ** 20).toFixed(0);
  console.log(
    `built ${executable.slice(root.length + 1)} (${sizeMiB} MiB, ${manifest.version}, ${options.commit})`,
  );
}

/** The path of the pinned Node for a processor type: npm installed the host's own, the other is fetched. */
function nodeFor(arch: string): string {
  const name = `node-linux-${arch}`;
  const installed = join(root, 'node_modules', name, 'bin/node');
  if (existsSync(installed)) return installed;
  if (arch === hostArch) fail(`${name} is not installed: run "npm ci" (without --omit=optional)`);
  return fetchNode(name);
}

/** Takes Node for another processor from the npm registry, and believes only what package-lock.json lists. */
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
