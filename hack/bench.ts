/**
 * Measures what ucrun adds to crun and to QEMU. The two sides of a comparison take turns in one run, so that whatever
 * else the host does falls on both, and what counts is the ratio of neighbours.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bareMachine, machineOf } from './bench/machine-command.ts';
import { measureNetworks, networkLines } from './bench/network.ts';
import { fail, output, requiredVariable } from './bench/run.ts';
import { show, spread } from './bench/spread.ts';

const usage = `Usage: hack/in-test-env.sh hack/bench.sh [--rounds N] [--network-rounds N] [--output FILE]

Compares crun and ucrun, and QEMU with and without them, N times each (default: 20), then the ways of joining a guest to
its network (default: 5 times), prints the medians with their quartiles, and writes every sample to FILE (default:
bench/results.json). With 0 rounds a part is left out.
`;

interface Comparison {
  readonly name: string;
  readonly baseline: Side;
  readonly subject: Side;
}

interface Side {
  readonly label: string;
  /** Does it once. @returns how long it took, in milliseconds */
  readonly measure: () => number | Promise<number>;
}

const { values: options } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    rounds: { type: 'string', default: '20' },
    'network-rounds': { type: 'string', default: '5' },
    output: { type: 'string', default: join(import.meta.dirname, '../bench/results.json') },
  },
});
if (options.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const rounds = wholeNumber('rounds');
const networkRounds = wholeNumber('network-rounds');
const ucrun = requiredVariable('UCRUN');
const registry = requiredVariable('UCRUN_REGISTRY');
const scratch = mkdtempSync(join(requiredVariable('TMPDIR'), 'bench-'));
const crun = '/usr/bin/crun';
const plainImage = 'localhost/ucrun-bench-plain';
const trackerImage = 'localhost/ucrun-bench-tracker';
const crunRoot = join(scratch, 'crun');
const bundle = join(scratch, 'bundle');

prepare();
const machine = machineOfHello();
const comparisons: readonly Comparison[] = [
  comparison(
    'a program that does nothing, for scale',
    ['true', () => time('/bin/true', [])],
    ['true', () => time('/bin/true', [])],
  ),
  betweenRuntimes('--version', (runtime) => time(runtime, ['--version'])),
  betweenRuntimes('state of a plain container', (runtime) =>
    time(runtime, ['--root', crunRoot, 'state', 'standing']),
  ),
  betweenRuntimes('create, start and delete a plain container', lifeOfContainer),
  betweenRuntimes('podman run --rm of a plain container', (runtime) =>
    time('podman', [`--runtime=${runtime}`, 'run', '--rm', plainImage, 'true']),
  ),
  comparison(
    'to the first line: a plain container, then a bare QEMU with hello',
    ['podman, crun + QEMU', async () => (await plainToFirstLine(crun)) + (await machineToReady())],
    ['podman, ucrun', guestToReady],
  ),
];

const loadBefore = load();
const results = [];
for (const { name, baseline, subject } of rounds === 0 ? [] : comparisons) {
  const samples: [number, number][] = [];
  // The first round warms caches and is not counted.
  for (let round = 0; round <= rounds; round++) {
    const sample: [number, number] = [await baseline.measure(), await subject.measure()];
    if (round > 0) samples.push(sample);
  }
  const result = {
    name,
    baseline: { label: baseline.label, ms: spread(samples.map(([before]) => before)) },
    subject: { label: subject.label, ms: spread(samples.map(([, after]) => after)) },
    ratio: spread(samples.map(([before, after]) => after / before)),
    samples,
  };
  results.push(result);
  console.log(`\n${name}`);
  for (const side of [result.baseline, result.subject])
    console.log(`  ${side.label.padEnd(20)} ${show(side.ms, 1)} ms`);
  console.log(`  ${'ratio'.padEnd(20)} ${show(result.ratio, 2)}`);
}
const network = await measureNetworks({ rounds: networkRounds, ucrun, registry, scratch, trackerImage });
for (const line of networkLines(network)) console.log(line);
cleanUp();
mkdirSync(join(options.output, '..'), { recursive: true });
writeFileSync(
  options.output,
  `${JSON.stringify({ host: describeHost(), load: [loadBefore, load()], rounds, results, networkRounds, network }, undefined, 1)}\n`,
);
console.log(
  `\nmedian (lower – upper quartile) of ${rounds} and ${networkRounds} rounds; every sample is in ${options.output}`,
);

// ---------------------------------------------------------------------------------------------------------------------

function wholeNumber(option: 'rounds' | 'network-rounds'): number {
  const value = Number(options[option]);
  return Number.isInteger(value) && value >= 0
    ? value
    : fail(`--${option} must be a whole number, not "${options[option]}"`);
}

function comparison(
  name: string,
  baseline: readonly [string, Side['measure']],
  subject: readonly [string, Side['measure']],
): Comparison {
  return {
    name,
    baseline: { label: baseline[0], measure: baseline[1] },
    subject: { label: subject[0], measure: subject[1] },
  };
}

function betweenRuntimes(name: string, measure: (runtime: string) => number | Promise<number>): Comparison {
  return comparison(name, ['crun', () => measure(crun)], ['ucrun', () => measure(ucrun)]);
}

/** How long a program takes from its start to its end. */
function time(program: string, args: readonly string[]): number {
  const started = performance.now();
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const elapsed = performance.now() - started;
  if (status !== 0) fail(`${program} ${args.join(' ')} ended with ${error?.message ?? `status ${status}`}`);
  return elapsed;
}

function lifeOfContainer(runtime: string): number {
  const calls = [
    ['create', '--bundle', bundle, 'passing'],
    ['start', 'passing'],
    ['delete', '--force', 'passing'],
  ];
  return calls.reduce((total, call) => total + time(runtime, ['--root', crunRoot, ...call]), 0);
}

function plainToFirstLine(runtime: string): Promise<number> {
  const args = [`--runtime=${runtime}`, 'run', '--rm', plainImage, 'echo', 'hello: ready'];
  return toReadyLine('podman', args, (child) => once(child, 'exit'));
}

function guestToReady(): Promise<number> {
  const args = [
    `--runtime=${ucrun}`,
    'run',
    '--rm',
    '--name',
    'bench-guest',
    '--env',
    'SERVICE_NAME=hello',
    trackerImage,
  ];
  return toReadyLine('podman', args, async (child) => {
    output('podman', ['kill', 'bench-guest']);
    await once(child, 'exit');
  });
}

/** The machine that ucrun makes for hello, as a program of its own: a user network in the place of the tap. */
async function machineToReady(): Promise<number> {
  const [program = '', ...args] = machine;
  return await toReadyLine(program, args, async (child) => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
}

/** How long it takes from a program's start until it prints that it is ready. What comes after that is not counted. */
async function toReadyLine(
  program: string,
  args: readonly string[],
  end: (child: ChildProcess) => Promise<unknown>,
): Promise<number> {
  const started = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let seen = '';
  for await (const chunk of child.stdout) {
    seen += chunk;
    if (/^hello: ready/m.test(seen)) {
      const elapsed = performance.now() - started;
      const hasEnded = child.exitCode !== null || child.signalCode !== null;
      if (!hasEnded) await end(child);
      return elapsed;
    }
  }
  return fail(`${program} ${args.join(' ')} was never ready:\n${seen}`);
}

/** Makes the images, a bundle, a container that stays, and finds out which machine ucrun makes for hello. */
function prepare(): void {
  const busybox = output('sh', ['-c', 'command -v busybox']).trim();
  const image = join(scratch, 'image');
  mkdirSync(image);
  copyFileSync(busybox, join(image, 'busybox'));
  writeFileSync(
    join(image, 'Containerfile'),
    'FROM scratch\nCOPY busybox /busybox\nENTRYPOINT ["/busybox"]\n',
  );
  output('podman', ['build', '--quiet', '--tag', plainImage, image]);
  output(join(import.meta.dirname, 'tracker/build.sh'), [trackerImage]);

  mkdirSync(join(bundle, 'rootfs'), { recursive: true });
  copyFileSync(busybox, join(bundle, 'rootfs/busybox'));
  output('sh', ['-c', 'cd "$0" && crun spec', bundle]);
  const file = join(bundle, 'config.json');
  const spec = JSON.parse(readFileSync(file, 'utf8'));
  spec.process = { ...spec.process, terminal: false, args: ['/busybox', 'sleep', '1000'] };
  writeFileSync(file, JSON.stringify(spec));
  time(crun, ['--root', crunRoot, 'create', '--bundle', bundle, 'standing']);
}

function cleanUp(): void {
  time(crun, ['--root', crunRoot, 'delete', '--force', 'standing']);
  rmSync(scratch, { recursive: true });
}

/** QEMU's command line as ucrun has it for hello, with paths of the host's and a user network instead of the sandbox's. */
function machineOfHello(): readonly string[] {
  output('podman', [
    `--runtime=${ucrun}`,
    'run',
    '--detach',
    '--name',
    'bench-model',
    '--env',
    'SERVICE_NAME=hello',
    trackerImage,
  ]);
  const model = machineOf('bench-model');
  output('podman', ['rm', '--force', '--time', '0', 'bench-model']);
  return bareMachine(model, [
    ['/unikernel/kernel', join(registry, 'hello/hello.elf')],
    ['/ucrun/run/', `${scratch}/`],
    [/^tap,id=(\w+),.*/, 'user,id=$1'],
  ]);
}

/** What else runs here: the host's average load of a minute. */
function load(): number {
  return loadavg()[0] ?? Number.NaN;
}

function describeHost(): Readonly<Record<string, string>> {
  const firstLine = (program: string) => output(program, ['--version']).split('\n')[0] ?? '';
  return {
    processors: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    kernel: release(),
    podman: firstLine('podman'),
    crun: firstLine(crun),
    ucrun: output(ucrun, ['--version']).split('\n').slice(0, 2).join(', '),
    qemu: firstLine(machine[0] ?? ''),
    accelerator: machine[machine.indexOf('-accel') + 1] ?? '',
  };
}
