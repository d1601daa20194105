/** Wherever ucrun is killed, the engine's usual removal leaves nothing behind, and the next container works. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeBundle } from './support/bundle.ts';
import { output, quote, run, runWithOutputTo } from './support/command.ts';
import { registry, scratch, ucrun } from './support/environment.ts';
import { buildTrackerImage, trackerImage } from './support/images.ts';
import { type KillPoint, killedAt, killPointsOf, wasKilled } from './support/kill-points.ts';
import { leftovers, nothingLeft, tracesOf } from './support/leftovers.ts';
import { podmanOutput } from './support/podman.ts';

const folder = join(scratch, 'crash');
const crunRoot = join(folder, 'crun');
const bundle = join(folder, 'bundle');
const trace = join(folder, 'trace');
/** State of its own: the same calls each time, whatever other tests do at the moment. */
const stateRoot = join(folder, 'state');
const config = join(folder, 'config.toml');
process.env.UCRUN_CONFIG = config;
/** A network namespace that outlives the containers in it, as a pod's does. */
const namespace = 'ucrun-crash';

t.before(async () => {
  await mkdir(crunRoot, { recursive: true });
  await configure('auto');
  await output('ip', ['netns', 'add', namespace]);
  // Two interfaces: between the two taps there are moments, too.
  for (const index of [0, 1]) {
    const [device, peer] = [`eth${index}`, `peer${index}`];
    await output('ip', ['-netns', namespace, 'link', 'add', device, 'type', 'veth', 'peer', 'name', peer]);
    await output('ip', ['-netns', namespace, 'address', 'add', `10.99.${index}.2/24`, 'dev', device]);
    for (const name of [device, peer]) await output('ip', ['-netns', namespace, 'link', 'set', name, 'up']);
  }
  await makeBundle(bundle, (spec) => {
    spec.process.env = ['SERVICE_NAME=hello'];
    spec.linux.namespaces = spec.linux.namespaces.map((entry) =>
      entry.type === 'network' ? { ...entry, path: `/run/netns/${namespace}` } : entry,
    );
  });
});
t.after(() => output('ip', ['netns', 'delete', namespace]));

/** What the next ucrun reads. */
const configure = (mode: 'auto' | 'passt') =>
  writeFile(config, `state_dir = "${stateRoot}"\nregistries = ["${registry}"]\nnetwork.mode = "${mode}"\n`);

const create = (id: string) => [
  '--root',
  crunRoot,
  'create',
  '--bundle',
  bundle,
  '--pid-file',
  `${bundle}/pid`,
  id,
];
const start = (id: string) => ['--root', crunRoot, 'start', id];
const remove = (id: string) => ['--root', crunRoot, 'delete', '--force', id];

const runUcrun = (command: readonly string[]) => runWithOutputTo(join(folder, 'output'), command);

async function networkDevices(): Promise<string> {
  const links = await output('ip', ['-netns', namespace, '-oneline', 'link']);
  const queues = await output('tc', ['-netns', namespace, 'qdisc', 'show']);
  const names = [...links.matchAll(/^\d+: ([^:@]+)/gm)].map(([, name]) => name);
  const ingress = queues.split('\n').filter((line) => line.includes('ingress'));
  return [...names, ...ingress].sort().join(' ');
}

const untouched = 'eth0 eth1 lo peer0 peer1';

/** Check that ucrun's state directory is as it was. What is left is removed, so that one leak is reported once. */
async function checkState(t: Test, what: string): Promise<void> {
  const remembered = ['kvm-proof.json', 'crun-version'];
  const files = (await readdir(stateRoot, { recursive: true })).filter((file) => !remembered.includes(file));
  t.strictSame(files, [], `no state is left after ${what}`);
  for (const file of files) await rm(join(stateRoot, file), { recursive: true, force: true });
}

async function checkRemoved(t: Test, id: string, what: string): Promise<void> {
  t.equal(await runUcrun([ucrun, ...remove(id)]), 0, `delete after ${what}`);
  await nothingLeft({ id, networkNamespace: undefined }).catch(() => undefined);
  t.strictSame(leftovers({ id, networkNamespace: undefined }), [], `nothing is left after ${what}`);
  await checkState(t, what);
  t.equal(await networkDevices(), untouched, `the network is as it was after ${what}`);
}

/** What is killed, and what has to be done before. */
const calls = {
  create: { args: create, before: [], least: 20 },
  start: { args: start, before: [create], least: 5 },
  delete: { args: remove, before: [create, start], least: 5 },
} as const;
type Verb = keyof typeof calls;

/** Make a container as it has to be for a verb. */
async function makeFor(t: Test, verb: Verb, id: string): Promise<void> {
  for (const args of calls[verb].before) t.equal(await runUcrun([ucrun, ...args(id)]), 0);
}

/** The points at which to kill a verb, found by running it once on a container that is removed again. */
async function pointsOf(t: Test, verb: Verb): Promise<readonly KillPoint[]> {
  const id = `points-of-${verb}`;
  // What happens only once for each boot of the host, the test of KVM, would be counted in.
  await runUcrun([ucrun, ...create('warm-up')]);
  await runUcrun([ucrun, ...remove('warm-up')]);
  await makeFor(t, verb, id);
  const points = await killPointsOf(calls[verb].args(id), trace);
  await runUcrun([ucrun, ...remove(id)]);
  return points;
}

for (const [verb, mode] of [
  ['create', 'auto'],
  ['start', 'auto'],
  ['start', 'passt'],
  ['delete', 'auto'],
] as const) {
  const skip = mode === 'passt' && !existsSync('/usr/bin/passt') ? 'passt is not installed' : false;
  const what = `ucrun ${verb} ${mode === 'passt' ? 'with passt ' : ''}is killed before each thing that it does`;
  t.test(what, { skip }, async (t) => {
    await configure(mode);
    t.teardown(() => configure('auto'));
    const points = await pointsOf(t, verb);
    t.ok(points.length >= calls[verb].least, `${points.length} moments to be killed in`);
    for (const [index, point] of points.entries()) {
      const id = `crash-${verb}-${mode}-${index}-end`;
      const runKilled = async () => {
        await makeFor(t, verb, id);
        return runUcrun([...killedAt(point, trace), ...calls[verb].args(id)]);
      };
      let status = await runKilled();
      for (let again = 0; again < 5 && !(await wasKilled(trace)); again++) {
        await checkRemoved(t, id, `missing ${point.text}`);
        status = await runKilled();
      }
      t.equal(status, 137, `killed before ${point.text}`);
      await checkRemoved(t, id, point.text);
    }

    const id = `crash-${verb}-${mode}-${points.length - 1}-end`;
    t.equal(await runUcrun([ucrun, ...create(id)]), 0, 'the id can be used again');
    t.equal(await runUcrun([ucrun, ...start(id)]), 0, 'and the guest starts');
    await checkRemoved(t, id, 'a run without a crash');
  });
}

for (const verb of ['create', 'start'] as const) {
  t.test(`podman removes a container whose ucrun ${verb} was killed`, async (t) => {
    await buildTrackerImage();
    const wrapper = join(folder, `killed-${verb}`);
    const points = (await pointsOf(t, verb)).filter(
      (_, index, { length }) => index % Math.ceil(length / 6) === 0,
    );
    for (const point of points) {
      const killed = killedAt(point, trace).map(quote).join(' ');
      await writeFile(
        wrapper,
        [
          '#!/bin/sh',
          // podman does not hand its environment on.
          `export UCRUN_CONFIG=${quote(config)}`,
          `for arg; do [ "$arg" != ${verb} ] || exec ${killed} "$@"; done`,
          `exec ${quote(ucrun)} "$@"`,
          '',
        ].join('\n'),
      );
      await chmod(wrapper, 0o755);
      const name = `crash-podman-${verb}`;
      const args = ['run', '--detach', '--name', name, '--env', 'SERVICE_NAME=hello', trackerImage];
      const command = ['--signal=KILL', '15', 'podman', `--runtime=${wrapper}`, ...args];
      let { status } = await run('timeout', command);
      for (let again = 0; again < 5 && !(await wasKilled(trace)); again++) {
        await podmanOutput(['rm', '--force', '--time', '0', name]);
        ({ status } = await run('timeout', command));
      }
      t.not(status, 0, `podman sees that it failed before ${point.text}`);
      t.not(status, 137, 'and does not wait for ever');
      const traces = await tracesOf(name);
      await podmanOutput(['rm', '--force', '--time', '0', name]);
      await nothingLeft(traces);
      await checkState(t, point.text);
    }
  });
}

t.test('a container that only ucrun remembers gives its taps back when its id is used again', async (t) => {
  const id = 'crash-forgotten-end';
  t.equal(await runUcrun([ucrun, ...create(id)]), 0);
  t.equal(await runUcrun([ucrun, ...start(id)]), 0);
  t.match(await networkDevices(), /\buctap0 uctap1\b/);
  t.equal(await runUcrun(['crun', '--root', crunRoot, 'delete', '--force', id]), 0, 'ucrun is not asked');
  t.equal(await runUcrun([ucrun, ...create(id)]), 0);
  t.equal(await networkDevices(), untouched);
  await checkRemoved(t, id, 'a second create');
});

t.test('a container takes nothing away from one that has got the taps after it', async (t) => {
  const [first, second] = ['crash-before-end', 'crash-after-end'];
  for (const args of [create, start]) t.equal(await runUcrun([ucrun, ...args(first)]), 0);
  // As if its start had been cut short before it made them.
  for (const index of [0, 1, 2, 3])
    await output('ip', ['-netns', namespace, 'link', 'delete', `uctap${index}`]);
  for (const link of ['eth0', 'eth1', 'peer0', 'peer1'])
    await output('tc', ['-netns', namespace, 'qdisc', 'delete', 'dev', link, 'ingress']);
  t.equal(await networkDevices(), untouched);
  for (const args of [create, start]) t.equal(await runUcrun([ucrun, ...args(second)]), 0);
  const taken = await networkDevices();
  t.match(taken, /\buctap0 uctap1\b/);
  t.equal(await runUcrun([ucrun, ...remove(first)]), 0);
  t.equal(await networkDevices(), taken);
  await checkRemoved(t, second, 'the second one');
});
