import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const main = join(import.meta.dirname, '../../src/cli/main.ts');

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run ucrun with a crun that is this script, after the verbs that it says it has. */
async function ucrun(t: Test, verbs: readonly string[], script: string, ...args: string[]): Promise<Ended> {
  const folder = t.testdir();
  const help = verbs.map((verb) => `\t${verb} - do it\n`).join('');
  const lines = [
    '#!/bin/sh',
    `case $1 in --help) printf '%s' 'COMMANDS:\n${help}'; exit 0 ;; esac`,
    `case $1 in --version) printf 'crun version 1.8.1\\n+SYSTEMD +SECCOMP\\n'; exit 0 ;; esac`,
    script,
    '',
  ];
  writeFileSync(join(folder, 'crun'), lines.join('\n'), { mode: 0o755 });
  writeFileSync(join(folder, 'config.toml'), `crun = "${folder}/crun"\nstate_dir = "${folder}/state"\n`);
  const child = spawn(process.execPath, [main, ...args], {
    env: { UCRUN_CONFIG: join(folder, 'config.toml') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = [child.stdout, child.stderr].map(async (stream) =>
    Buffer.concat(await stream.toArray()).toString(),
  );
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, stdout: (await stdout) ?? '', stderr: (await stderr) ?? '' };
}

/** A crun that knows one container, whose first process this is. */
const knows = (pid: number | undefined) => `
case $* in
  '--root /r state c1') echo '{"pid":${pid},"status":"running"}' ;;
  *) echo 'the container does not exist' >&2; exit 3 ;;
esac`;

async function startProcess(t: Test): Promise<ReturnType<typeof spawn>> {
  const process = spawn('sleep', ['60']);
  t.teardown(() => process.kill('SIGKILL'));
  await once(process, 'spawn');
  return process;
}

t.test('events and features are crun’s where crun has them', async (t) => {
  const verbs = ['events', 'features', 'state'];
  t.strictSame(await ucrun(t, verbs, 'echo "$@"; exit 7', '--root', '/r', 'events', '--stats', 'c1'), {
    status: 7,
    stdout: '--root /r events --stats c1\n',
    stderr: '',
  });
  const { status, stdout, stderr } = await ucrun(t, verbs, `echo '{"ociVersionMax":"1.9"}'`, 'features');
  t.match({ status, stderr }, { status: 0, stderr: '' });
  t.match(JSON.parse(stdout), { ociVersionMax: '1.9', potentiallyUnsafeConfigAnnotations: /ucrun\./ });
  t.strictSame(await ucrun(t, verbs, 'echo no >&2; exit 4', 'features'), {
    status: 4,
    stdout: '',
    stderr: 'no\n',
  });
});

t.test('features is answered for a crun that lacks it, without noise', async (t) => {
  const { status, stdout, stderr } = await ucrun(t, ['state'], 'echo noise; exit 1', 'features');
  t.match({ status, stderr }, { status: 0, stderr: '' });
  t.match(JSON.parse(stdout), { ociVersionMin: '1.0.0', linux: { cgroup: { systemd: true } } });
});

t.test('events --stats prints one object and ends', async (t) => {
  const { pid } = await startProcess(t);
  const args = ['--root', '/r', 'events', '--stats', 'c1'];
  const { status, stdout, stderr } = await ucrun(t, ['state'], knows(pid), ...args);
  t.match({ status, stderr }, { status: 0, stderr: '' });
  t.equal(stdout.split('\n').length, 2);
  t.match(JSON.parse(stdout), {
    type: 'stats',
    id: 'c1',
    data: { cpu: { usage: { total: Number } }, memory: { usage: { limit: Number } }, pids: {} },
  });
});

t.test('events goes on each interval until the container ends', async (t) => {
  const process = await startProcess(t);
  // A slow machine takes its time until ucrun asks.
  setTimeout(() => process.kill('SIGKILL'), 5000);
  const args = ['--root', '/r', 'events', '--interval=100ms', 'c1'];
  const { status, stdout } = await ucrun(t, ['state'], knows(process.pid), ...args);
  const lines = stdout.trimEnd().split('\n');
  t.equal(status, 0);
  t.ok(lines.length > 2, 'more than two lines');
  t.match(JSON.parse(lines[0] ?? ''), { type: 'stats', id: 'c1' });
  t.match(JSON.parse(lines.at(-1) ?? ''), { type: 'stats', id: 'c1' });
});

t.test('events of what does not run, or cannot be meant, fails', async (t) => {
  t.match(await ucrun(t, ['state'], knows(0), 'events', '--stats', 'c2'), {
    status: 3,
    stderr: 'the container does not exist\n',
  });
  t.match(await ucrun(t, ['state'], knows(0), '--root', '/r', 'events', 'c1'), {
    status: 1,
    stderr: /container "c1" is not running/,
  });
  t.match(await ucrun(t, ['state'], knows(0), 'events'), { status: 1, stderr: /needs the id/ });
  t.match(await ucrun(t, ['state'], knows(0), 'events', '--interval', 'x', 'c1'), {
    status: 1,
    stderr: /--interval is "x", not a time/,
  });
  t.match(await ucrun(t, ['state'], knows(0), 'events', '--interval', '0s', 'c1'), {
    status: 1,
    stderr: /option --interval is 0/,
  });
});

t.test('the help of what crun lacks is ours', async (t) => {
  for (const args of [
    ['events', '--help'],
    ['help', 'events'],
  ])
    t.match(await ucrun(t, ['state'], 'exit 9', ...args), { status: 0, stdout: /^ucrun events \[--stats/ });
});
