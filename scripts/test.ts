/**
 * Runs the test files: first those that need nothing of the host, then those in test/end-to-end.
 * Usage: node scripts/test.ts [--only unit|end-to-end] [--jobs N] [PART-OF-A-PATH …]
 * The last line that is printed is the count; the exit status is 0 only if something ran and nothing failed.
 */
import { globSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type FileResult, killRunningTests, runTestFile } from './run-test-file.ts';

interface Phase {
  readonly name: string;
  readonly matches: (file: string) => boolean;
  readonly timeoutSeconds: number;
}

const isEndToEnd = (file: string) => file.startsWith('test/end-to-end/');
const phases: readonly Phase[] = [
  { name: 'unit', matches: (file) => !isEndToEnd(file), timeoutSeconds: 180 },
  { name: 'end-to-end', matches: isEndToEnd, timeoutSeconds: 300 },
];

const { values: options, positionals: parts } = parseArgs({
  options: { only: { type: 'string' }, jobs: { type: 'string', default: '2' } },
  allowPositionals: true,
});
const jobs = Number(options.jobs);
if (!Number.isInteger(jobs) || jobs < 1)
  usage(`--jobs must be a whole number above 0, not "${options.jobs}"`);
if (options.only !== undefined && !phases.some(({ name }) => name === options.only)) {
  usage(`--only must be ${phases.map(({ name }) => name).join(' or ')}, not "${options.only}"`);
}

for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
  ['SIGHUP', 1],
] as const) {
  process.on(signal, () => {
    killRunningTests();
    process.exit(128 + number);
  });
}

process.chdir(`${import.meta.dirname}/..`);
const results: FileResult[] = [];
for (const { name, matches, timeoutSeconds } of phases) {
  if (options.only !== undefined && options.only !== name) continue;
  const files = globSync('test/**/*.test.ts').filter(
    (file) => matches(file) && (parts.length === 0 || parts.some((part) => file.includes(part))),
  );
  await runAll(files.sort(), timeoutSeconds);
}
report();

/** Runs the files, `jobs` at a time, and prints each result as it comes. */
async function runAll(files: readonly string[], timeoutSeconds: number): Promise<void> {
  const queue = files.values();
  const worker = async () => {
    for (const file of queue) {
      const result = await runTestFile(file, timeoutSeconds);
      results.push(result);
      printFile(result);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

function printFile({ file, seconds, passed, failures, skips }: FileResult): void {
  const counts = [`${passed} passed`];
  if (failures.length > 0) counts.push(`${failures.length} failed`);
  if (skips.length > 0) counts.push(`${skips.length} skipped`);
  console.log(
    `${failures.length > 0 ? 'FAILED' : 'ok    '} ${file} (${counts.join(', ')}, ${seconds.toFixed(1)} s)`,
  );
  for (const failure of failures) console.log(`\n  ✗ ${failure.replaceAll('\n', '\n  ')}\n`);
}

function report(): void {
  const slowest = results.toSorted((a, b) => b.seconds - a.seconds).slice(0, 5);
  if (slowest.length > 0) {
    console.log(
      `\nslowest: ${slowest.map(({ file, seconds }) => `${file} ${seconds.toFixed(1)} s`).join(', ')}`,
    );
  }
  for (const { file, skips } of results) for (const skip of skips) console.log(`skipped: ${file}: ${skip}`);
  const broken = results.filter(({ failures }) => failures.length > 0);
  for (const { file, failures } of broken) console.log(`failed: ${file} (${failures.length})`);

  const passed = sum(({ passed }) => passed);
  const failed = sum(({ failures }) => failures.length);
  const skipped = sum(({ skips }) => skips.length);
  if (passed + failed === 0) console.log('no test ran');
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}

function sum(count: (result: FileResult) => number): number {
  return results.reduce((total, result) => total + count(result), 0);
}

function usage(message: string): never {
  console.error(`test: ${message}`);
  process.exit(2);
}
