/** A container's limits are the machine's: memory, processors, processes, time to stop, and what is left when they are exceeded. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { cgroupFiles, cgroupOf } from './support/cgroup.ts';
import { quote, run } from './support/command.ts';
import { registry, scratch, ucrun } from './support/environment.ts';
import { monitorOf, removeAtEnd, runArgs, runGuest, startGuest } from './support/guests.ts';
import { firstAnswer } from './support/http.ts';
import { buildPlainImage, buildTrackerImage, plainImage } from './support/images.ts';
import { tracesOf } from './support/leftovers.ts';
import { inspect, podman, podmanOutput } from './support/podman.ts';
import { waitFor } from './support/wait.ts';

const MiB = 1024 * 1024;

t.before(async () => {
  await buildPlainImage();
  await buildTrackerImage();
  // What is read of QEMU's program is charged to whoever reads it first.
  await runGuest('li-warm', { service: 'hello', options: endsByItself() });
});

/** Options for a hello that ends at once. */
function endsByItself(): readonly string[] {
  return ['--rm', '--network', 'none', '--annotation', 'ucrun.cmdline=name=hello exit=5'];
}

/** A runtime for podman with a configuration of its own. */
async function makeRuntime(name: string, settings: string): Promise<string> {
  const config = join(scratch, `${name}.toml`);
  await writeFile(config, `registries = [${JSON.stringify(registry)}]\n${settings}\n`);
  const runtime = join(scratch, `ucrun-${name}`);
  const script = ['#!/bin/sh', `export UCRUN_CONFIG=${quote(config)}`, `exec ${quote(ucrun)} "$@"`, ''];
  await writeFile(runtime, script.join('\n'), { mode: 0o755 });
  return runtime;
}

/** The value behind an option of the machine's QEMU. */
async function qemuOption(name: string, option: string): Promise<string | undefined> {
  const words = (await readFile(`/proc/${await monitorOf(name)}/cmdline`, 'utf8')).split('\0');
  return words[words.indexOf(option) + 1];
}

/** Ask a server again and again, eight at a time. @returns how many answers were not as they should be */
async function load(url: string, requests: number): Promise<number> {
  let left = requests;
  let failed = 0;
  const ask = async () => {
    while (left-- > 0) {
      const isAnswered = await fetch(url, { signal: AbortSignal.timeout(10_000) })
        .then(async (response) => response.ok && (await response.text()).length > 0)
        .catch(() => false);
      if (!isAnswered) failed++;
    }
  };
  await Promise.all(Array.from({ length: 8 }, ask));
  return failed;
}

t.test('64 MiB are enough for hello, QEMU included, under load', { timeout: 120_000 }, async (t) => {
  const name = 'li-load';
  const options = ['--memory', '64m', '--memory-swap', '64m', '--publish', '18200:8080'];
  await startGuest(t, name, { service: 'hello', options });
  const cgroup = await cgroupOf(await monitorOf(name));
  t.equal(await cgroup.read(cgroupFiles.memoryLimit), `${64 * MiB}`, 'the limit is as it was asked for');
  t.match(await qemuOption(name, '-m'), /^(18|30)M$/, 'the guest has what QEMU leaves');
  const url = 'http://127.0.0.1:18200/';
  await firstAnswer(url);
  t.equal(await load(url, 10_000), 0, 'every request is answered');
  const peak = await cgroup.read(cgroupFiles.memoryPeak);
  if (peak === undefined) t.comment('this kernel does not know the peak');
  else t.ok(Number(peak) < 64 * MiB, `it never took more than ${(Number(peak) / MiB).toFixed(1)} MiB`);
  t.equal(await inspect(name, '{{.State.Status}}'), 'running');
});

t.test('a limit that is too low is refused, and the one that is named would do', async (t) => {
  const refused = await runGuest('li-low', {
    service: 'hello',
    options: ['--memory', '16m', ...endsByItself()],
  });
  t.not(refused.status, 0);
  t.equal(refused.stdout, '');
  t.match(
    refused.stderr,
    /a memory limit of 16 MiB is too low: QEMU needs \d+ MiB of it, and the guest at least 2 MiB/,
  );
  const enough = /memory limit to (\d+) MiB or more/.exec(refused.stderr)?.[1];
  t.ok(enough);
  const options = ['--memory', `${enough}m`, '--memory-swap', `${enough}m`, ...endsByItself()];
  t.equal((await runGuest('li-least', { service: 'hello', options })).status, 5);
});

t.test('a Linux guest that fills its memory stays within the limit', async (t) => {
  const name = 'li-filled';
  const fill =
    'mount -o remount,size=70% /tmp; dd if=/dev/zero of=/tmp/x bs=1M 2>/dev/null; echo filled; sleep 60';
  const options = ['--detach', '--memory', '256m', '--memory-swap', '256m', '--network', 'none'];
  await podmanOutput(runArgs(name, { service: 'linux', options, args: ['sh', '-c', fill] }));
  removeAtEnd(t, name, await tracesOf(name));
  const log = async () => (await podman(['logs', name])).stdout;
  await waitFor('the guest to fill its memory', async () => /filled/.test(await log()), 60);
  const cgroup = await cgroupOf(await monitorOf(name));
  t.ok(Number((await cgroup.read(cgroupFiles.memoryPeak)) ?? 0) <= 256 * MiB);
  t.equal(await inspect(name, '{{.State.Status}}'), 'running');
});

t.test("the guest's memory follows the limit while it runs", async (t) => {
  const name = 'li-balloon';
  const script = 'while :; do grep MemTotal /proc/meminfo; sleep 0.2; done';
  const options = ['--detach', '--memory', '256m', '--memory-swap', '600m', '--network', 'none'];
  await podmanOutput(runArgs(name, { service: 'linux', options, args: ['sh', '-c', script] }));
  removeAtEnd(t, name, await tracesOf(name));
  const total = async () =>
    Number(
      (await podman(['logs', '--tail', '1', name])).stdout.match(/MemTotal: *(\d+) kB/)?.[1] ?? Number.NaN,
    ) / 1024;
  const atStart = await waitFor('the guest to run', async () => ((await total()) > 0 ? total() : false), 60);
  const cgroup = await cgroupOf(await monitorOf(name));
  for (const [limit, difference] of [
    [186, -70],
    [226, -30],
    [256, 0],
    [206, -50],
    [512, 0],
  ] as const) {
    await podmanOutput(['update', '--memory', `${limit}m`, name]);
    t.equal(await cgroup.read(cgroupFiles.memoryLimit), `${limit * MiB}`);
    await waitFor(`the guest to have ${difference} MiB`, async () => {
      return Math.abs((await total()) - (atStart + difference)) < 2;
    });
  }
  t.equal(await inspect(name, '{{.State.Status}}'), 'running');
});

t.test('update of a guest without a balloon, or of something else, moves the limits alone', async (t) => {
  const name = 'li-update';
  await startGuest(t, name, { service: 'hello', options: ['--memory', '128m', '--network', 'none'] });
  const cgroup = await cgroupOf(await monitorOf(name));
  await podmanOutput(['update', '--memory', '96m', '--cpus', '0.5', name]);
  t.equal(await cgroup.read(cgroupFiles.memoryLimit), `${96 * MiB}`);
  t.match(await cgroup.read(cgroupFiles.cpuQuota), /^50000\b/);
});

t.test('memory_limit = "on-top": the limit is the guest\'s, and QEMU has its own', async (t) => {
  const runtime = await makeRuntime('on-top', 'vmm.memory_limit = "on-top"\nvmm.memory_overhead = "80MiB"');
  const name = 'li-on-top';
  const options = [
    '--runtime',
    runtime,
    '--memory',
    '64m',
    '--network',
    'none',
    '--annotation',
    'ucrun.memory=1GiB',
  ];
  await startGuest(t, name, { service: 'hello', options });
  t.equal(await qemuOption(name, '-m'), '64M');
  const cgroup = await cgroupOf(await monitorOf(name));
  t.equal(await cgroup.read(cgroupFiles.memoryLimit), `${144 * MiB}`);
});

t.test('a machine that needs more memory than its limit is killed, and the log says so', async (t) => {
  const name = 'li-oom';
  const runtime = await makeRuntime('oom', 'vmm.memory_overhead = "1MiB"');
  const limits = ['--memory', '100m', '--memory-swap', '100m', '--network', 'none'];
  const options = ['--detach', '--runtime', runtime, ...limits];
  const args = runArgs(name, { service: 'linux', options, args: ['sleep', '60'] });
  // conmon leaves a file "oom" where it is.
  await podmanOutput(args, { cwd: scratch });
  removeAtEnd(t, name, await tracesOf(name));
  t.equal(await podmanOutput(['wait', name]), '137');
  t.equal(
    (await podman(['logs', name])).stderr,
    'ucrun: QEMU was killed, probably by the out-of-memory killer: see the memory limit\n',
  );
});

t.test('a guest has the processors that it can keep busy', async (t) => {
  const cases: readonly [options: readonly string[], cpus: string][] = [
    [['--cpus', '1.5'], '2'],
    [['--cpus', '0.3'], '1'],
    [['--cpuset-cpus', '0'], '1'],
    [['--cpus', '1.5', '--cpuset-cpus', '0'], '1'],
  ];
  for (const [index, [limits, cpus]] of cases.entries()) {
    const name = `li-cpus-${index}`;
    const options = [...limits, '--network', 'none', '--annotation', 'ucrun.cpus=4'];
    await startGuest(t, name, { service: 'hello', options });
    t.equal(await qemuOption(name, '-smp'), cpus, limits.join(' '));
  }
});

t.test('all other limits are on the process that is the machine', async (t) => {
  const name = 'li-others';
  const limits = {
    '--pids-limit': '77',
    '--cpuset-cpus': '0',
    '--cpu-shares': '512',
    '--cpus': '0.5',
    '--oom-score-adj': '321',
  };
  const options = [
    ...Object.entries(limits).flat(),
    '--ulimit',
    'nofile=300:400',
    '--ulimit',
    'core=0:0',
    // Given one, podman leaves out the environment's own.
    '--ulimit',
    'nproc=900:900',
    '--network',
    'none',
  ];
  const args = runArgs(name, { service: 'hello', options: ['--detach', ...options] });
  const started = await run('nice', ['-n', '7', 'podman', ...args]);
  t.equal(started.status, 0, started.stderr);
  removeAtEnd(t, name, await tracesOf(name));
  const pid = await waitFor('QEMU to run', () => monitorOf(name));
  const cgroup = await cgroupOf(pid);
  t.equal(await cgroup.read(cgroupFiles.pids), '77');
  t.equal(await cgroup.read(cgroupFiles.cpuset), '0');
  t.match(await cgroup.read(cgroupFiles.cpuQuota), /^50000\b/);
  t.equal(await cgroup.read(cgroupFiles.cpuShares), cgroup.version === 1 ? '512' : '20');
  const proc = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8');
  t.equal((await proc('oom_score_adj')).trim(), '321');
  t.match(await proc('limits'), /^Max open files +300 +400 /m);
  t.match(await proc('limits'), /^Max processes +900 +900 /m);
  t.match(await proc('limits'), /^Max core file size +0 +0 /m);
  const fields = await proc('stat');
  t.equal(fields.slice(fields.lastIndexOf(')')).split(' ')[17], '7', 'nice');
});

const device = await someBlockDevice();
const withoutDevice = device === undefined ? { skip: 'there is no block device' } : {};
t.test('limits of block devices are on the process that is the machine', withoutDevice, async (t) => {
  if (device === undefined) return;
  const options = ['--device-write-bps', `${device.path}:1mb`, '--network', 'none'];
  await startGuest(t, 'li-io', { service: 'hello', options });
  const cgroup = await cgroupOf(await monitorOf('li-io'));
  t.match(await cgroup.read(cgroupFiles.ioLimits), new RegExp(`^${device.numbers} .*1048576`, 'm'));
});

/** A disk of the host's, and not a part of one, whose throttle some kernels refuse. */
async function someBlockDevice(): Promise<{ readonly path: string; readonly numbers: string } | undefined> {
  for (const name of await readdir('/sys/block')) {
    const numbers = (await readFile(`/sys/block/${name}/dev`, 'utf8')).trim();
    const isThere = await stat(`/dev/${name}`).then(
      (found) => found.isBlockDevice(),
      () => false,
    );
    if (isThere) return { path: `/dev/${name}`, numbers };
  }
  return undefined;
}

t.test('a QEMU that may have too few processes is a failure of its own', async (t) => {
  const options = ['--pids-limit', '3', ...endsByItself()];
  const { status, stderr } = await runGuest('li-pids', { service: 'hello', options });
  t.equal(status, 125);
  t.match(stderr, /^ucrun: .*thread/m);
});

t.test('the grace period is over before the engine loses its patience', async (t) => {
  const name = 'li-grace';
  // podman says so by itself from 5.2 on.
  const annotation = 'org.systemd.property.TimeoutStopUSec=uint64 3000000';
  const options = ['--detach', '--stop-timeout', '3', '--annotation', annotation, '--network', 'none'];
  const args = ['sh', '-c', 'trap "" TERM; echo deaf; while :; do sleep 1; done'.replaceAll('"', "'")];
  await podmanOutput(runArgs(name, { service: 'linux', options, args }));
  removeAtEnd(t, name, await tracesOf(name));
  await waitFor('the guest to run', async () => /deaf/.test((await podman(['logs', name])).stdout), 60);
  t.equal((await podman(['stop', name])).status, 0);
  t.equal(await inspect(name, '{{.State.ExitCode}}'), '143', 'it was switched off, and not killed');
});

t.test('a console that is flooded loses nothing and takes no memory', { timeout: 120_000 }, async (t) => {
  const lines = 20_000;
  const flood = [
    'sh',
    '-c',
    `yes 0123456789012345678901234567890123456789 | head -n ${lines}; echo end; sleep 60`,
  ];
  const name = 'li-flood';
  const options = ['--detach', '--memory', '256m', '--memory-swap', '256m', '--network', 'none'];
  await podmanOutput(runArgs(name, { service: 'linux', options, args: flood }));
  removeAtEnd(t, name, await tracesOf(name));
  const log = async () => (await podman(['logs', name])).stdout;
  await waitFor('the flood to end', async () => /^end$/m.test(await log()), 90);
  t.equal((await log()).replaceAll('\r', '').split('\n').length - 2, lines);
  const cgroup = await cgroupOf(await monitorOf(name));
  t.ok(Number((await cgroup.read(cgroupFiles.memoryPeak)) ?? 0) <= 256 * MiB);

  const plain = [
    'run',
    '--rm',
    '--network',
    'none',
    plainImage,
    'sh',
    '-c',
    `yes 0123456789 | head -n ${lines}`,
  ];
  t.equal((await podmanOutput(plain)).split('\n').length, lines, 'as in a plain container');
});
