import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';

const source = join(import.meta.dirname, '../../src');

interface Reported {
  readonly status: string;
  readonly stderr: string;
}

/** Has a process of its own report an error, since what is tested is what that prints. `error` is JavaScript. */
async function report(error: string, globals: object = {}): Promise<Reported> {
  const script = `
    const { reportError } = await import(${JSON.stringify(join(source, 'cli/report-error.ts'))});
    const { RuntimeError } = await import(${JSON.stringify(join(source, 'base/runtime-error.ts'))});
    const { readFileSync } = await import('node:fs');
    const globals = { root: undefined, log: undefined, logFormat: 'text', debug: false, ...${JSON.stringify(globals)} };
    let thrown;
    try { ${error} } catch (error) { thrown = error; }
    console.log(reportError(thrown, globals));`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '-e',
    script,
  ]);
  return { status: stdout.trim(), stderr };
}

const simple = `throw new RuntimeError('KERNEL_MISSING', 'kernel "/k" is missing', { hint: 'put it there' })`;

t.test('reportError() prints message and hint, and gives the exit status', async (t) => {
  t.strictSame(await report(simple), {
    status: '1',
    stderr: 'ucrun: kernel "/k" is missing\nhint: put it there\n',
  });
  const noHint = `throw new RuntimeError('USAGE', 'unknown signal "X"')`;
  t.strictSame(await report(noHint), { status: '1', stderr: 'ucrun: unknown signal "X"\n' });
});

t.test('reportError() joins our own messages, and keeps the words of others to itself', async (t) => {
  const chain = `throw new RuntimeError('USAGE', 'outer', {
    cause: new RuntimeError('USAGE', 'middle', { cause: new Error('ENOENT: no such file or directory') }) })`;
  t.equal((await report(chain)).stderr, 'ucrun: outer: middle\n');
  const foreign = `throw new RuntimeError('USAGE', 'outer', { cause: new Error('permission denied') })`;
  t.equal((await report(foreign)).stderr, 'ucrun: outer\n');
  t.equal((await report(foreign, { debug: true })).stderr, 'ucrun: outer\ncause: permission denied\n');
});

t.test("reportError() puts a failed system call into our words, which are not the errno's", async (t) => {
  const { status, stderr } = await report(`readFileSync('/nowhere/x')`);
  t.equal(status, '1');
  t.equal(stderr, 'ucrun: open "/nowhere/x" failed with ENOENT\n');
});

t.test('reportError() prints the stack of a mistake of our own', async (t) => {
  const { status, stderr } = await report(`undefined.x`);
  t.equal(status, '1');
  t.match(stderr, /^ucrun: internal error: TypeError: Cannot read .*\nTypeError: .*\n {4}at /);
  t.equal((await report(`throw 'text'`)).stderr, 'ucrun: internal error: text\n');
});

t.test('reportError() writes exactly one line of JSON into the log', async (t) => {
  const log = join(t.testdir(), 'log.json');
  await report(simple, { log, logFormat: 'json' });
  const text = readFileSync(log, 'utf8');
  t.match(text, /^[^\n]+\n$/);
  const { time, ...record } = JSON.parse(text);
  t.strictSame(record, {
    level: 'error',
    msg: 'kernel "/k" is missing (put it there)',
    code: 'KERNEL_MISSING',
  });
  t.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  t.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
});

t.test('reportError() keeps a message with line ends on one line of the log', async (t) => {
  const log = join(t.testdir(), 'log.json');
  await report(`throw new RuntimeError('USAGE', 'a\\n"b"')`, { log, logFormat: 'json' });
  const lines = readFileSync(log, 'utf8').split('\n');
  t.equal(lines.length, 2);
  t.equal(JSON.parse(lines[0] as string).msg, 'a\n"b"');
});

t.test('reportError() adds to the log, and writes text where text is asked for', async (t) => {
  const log = join(t.testdir({ 'log.txt': 'before\n' }), 'log.txt');
  await report(simple, { log: `file:${log}` });
  t.match(readFileSync(log, 'utf8'), /^before\n\S+Z: kernel "\/k" is missing \(put it there\)\n$/);
});

t.test('reportError() without a log file, or with one it cannot write, still reports', async (t) => {
  const folder = t.testdir();
  for (const log of ['', 'journald:x', 'syslog:x']) {
    t.match(
      await report(simple, { log }),
      { status: '1', stderr: /^ucrun: kernel "\/k" is missing\nhint: [^\n]+\n$/ },
      log,
    );
    t.equal(existsSync(log), false);
  }
  const log = join(folder, 'missing/log');
  t.equal(
    (await report(simple, { log })).stderr,
    `ucrun: kernel "/k" is missing\nhint: put it there\nucrun: cannot write the log "${log}": ENOENT\n`,
  );
});
