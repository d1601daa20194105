import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import {
  findChild,
  findProcessesWithArgument,
  processStartTime,
  runProgram,
} from '../../src/host/processes.ts';

const env = { PATH: '/usr/bin:/bin' };
const sh = (script: string, more: { input?: string; timeoutMs?: number } = {}) =>
  runProgram('/bin/sh', ['-c', script], { env, ...more });

t.test('runProgram() gives what a program printed and how it ended', async (t) => {
  t.strictSame(sh('printf out; printf err >&2; exit 3'), { status: 3, stdout: 'out', stderr: 'err' });
  t.match(sh('cat', { input: 'é\n' }), { status: 0, stdout: 'é\n' });
  t.match(sh('cat'), { status: 0, stdout: '' }, 'no input is an empty one');
  t.match(sh('echo "$HOME$A"'), { stdout: '\n' }, "our own environment is not the program's");
});

t.test('runProgram() gives 128 and the number of the signal that ended it', async (t) => {
  for (const [signal, number] of [
    ['HUP', 1],
    ['KILL', 9],
    ['SEGV', 11],
    ['TERM', 15],
    ['SYS', 31],
  ] as const)
    t.equal(sh(`ulimit -c 0; kill -${signal} $$`).status, 128 + number, signal);
});

t.test('runProgram() ends a program whose time is over', async (t) => {
  const started = performance.now();
  t.equal(sh('trap "" TERM; while :; do :; done', { timeoutMs: 100 }).status, 137);
  t.ok(performance.now() - started < 5000);
});

t.test('runProgram() fails for a program that is not there', async (t) => {
  t.throws(() => runProgram('/nowhere', [], { env }), { code: 'ENOENT' });
});

t.test('processStartTime() names a process, whatever it calls itself, for as long as it lives', async (t) => {
  const script = join(t.testdir(), 'a) R 1 (b');
  writeFileSync(script, '#!/bin/sh\nread line\n', { mode: 0o755 });
  const child = spawn(script, { stdio: ['pipe', 'ignore', 'ignore'] });
  await once(child, 'spawn');
  const pid = child.pid as number;
  const own = processStartTime(process.pid);
  t.match(own, /^\d+$/);
  const time = processStartTime(pid);
  t.ok(Number(time) > Number(own), 'it began after us');
  t.equal(processStartTime(pid), time);
  child.stdin.end('x\n');
  await once(child, 'exit');
  t.equal(processStartTime(pid), undefined);
});

t.test('processStartTime() takes a process that nobody has reaped yet for gone', async (t) => {
  // exec keeps the child, and sleep does not wait for children.
  const parent = spawn('/bin/sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [chunk] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(chunk.toString());
  const deadline = Date.now() + 5000;
  while (processStartTime(pid) !== undefined && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 10));
  t.equal(processStartTime(pid), undefined);
  parent.kill('SIGKILL');
  await once(parent, 'exit');
});

t.test('findProcessesWithArgument() finds whole arguments, and not ourselves', async (t) => {
  const argument = `/ucrun-test/${process.pid}/config.json`;
  const child = spawn('/bin/sh', ['-c', 'read line', 'sh', '--config', argument], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  await once(child, 'spawn');
  t.strictSame(findProcessesWithArgument(argument), [child.pid]);
  t.strictSame(findProcessesWithArgument(argument.slice(0, -1)), []);
  child.stdin.end('x\n');
  await once(child, 'exit');
  t.strictSame(findProcessesWithArgument(argument), []);
});

t.test('findChild() goes by the file that runs, by any of its names', async (t) => {
  const folder = t.testdir({ link: t.fixture('symlink', '/bin/sleep') });
  const parent = spawn('/bin/sh', ['-c', 'sleep 60 & echo $!; read line'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  t.teardown(() => parent.kill('SIGKILL'));
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const child = Number(line.toString());
  t.teardown(() => process.kill(child, 'SIGKILL'));
  const { pid = 0 } = parent;
  t.equal(await eventually(() => findChild(pid, '/bin/sleep')), child);
  t.equal(findChild(pid, join(folder, 'link')), child, 'by any name of the file');
  t.equal(findChild(pid, '/bin/false'), undefined);
  t.equal(findChild(pid, '/no/such/program'), undefined);
  t.equal(findChild(2 ** 22 + 1, '/bin/sleep'), undefined, 'of a process that is gone');
});

/** The shell has forked, but its child may not yet be the program. */
async function eventually<T>(ask: () => T | undefined): Promise<T | undefined> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const answer = ask();
    if (answer !== undefined) return answer;
    await delay(20);
  }
  return undefined;
}
