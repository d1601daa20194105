import { output } from '../command.ts';
import { callRuntime, outputOf } from '../engine.ts';
import {
  guestArgs,
  logOf,
  monitorOf,
  startGuest,
  stateOf,
  tracesOf,
  urlOf,
  waitForReady,
} from '../engine-guests.ts';
import { scratch } from '../environment.ts';
import { firstAnswer } from '../http.ts';
import { nothingLeft } from '../leftovers.ts';
import { hello, helloAlone, type Row, refusal } from './row.ts';

/** The engine's other verbs: those that work, and those that are refused. */
export const verbRows: readonly Row[] = [
  {
    name: 'a container that is created first is started later, or removed without having run',
    async run(t, engine) {
      const name = 'bv-created';
      t.teardown(() => engine.remove(name));
      await outputOf(engine, ['create', ...guestArgs(engine, name, hello)]);
      t.equal(await stateOf(engine, name), 'created 0');
      t.ok(await refusal(engine, ['kill', name]), 'nothing to kill yet');
      t.equal(await logOf(engine, name), '');
      await outputOf(engine, ['start', name]);
      await waitForReady(engine, name);
      t.match(await firstAnswer(await urlOf(engine, name)), /"hello"/);
      await engine.remove(name);
      await outputOf(engine, ['create', ...guestArgs(engine, name, hello)]);
      const traces = await tracesOf(engine, name);
      await outputOf(engine, ['rm', name]);
      await nothingLeft(traces);
    },
  },
  {
    name: 'top and stats show the processes of the machine, and what they use',
    async run(t, engine) {
      const name = 'bv-top';
      await startGuest(t, engine, name, hello);
      t.match(await outputOf(engine, ['top', name]), /qemu-system/);
      const template = '{{.Name}} {{.PIDs}} {{.MemUsage}}';
      const stats = await outputOf(engine, ['stats', '--no-stream', '--format', template, name]);
      t.match(stats, /^bv-top [1-9]\d* [1-9][\d.]*[kMm]i?B \//);
    },
  },
  {
    name: 'exec is refused clearly, and nothing runs',
    async run(t, engine) {
      const name = 'bv-exec';
      await startGuest(t, engine, name, helloAlone);
      const before = await outputOf(engine, ['top', name]);
      for (const options of [[], ['--interactive'], ['--detach']]) {
        const { status, stdout, stderr } = await engine.call(['exec', ...options, name, 'touch', '/dev/ran']);
        t.not(status, 0);
        // docker has its runtime's words on stdout.
        t.match(stdout + stderr, /it is a unikernel, which has no other programs.*"logs".*"attach"/s);
      }
      const files = await output('ls', [`/proc/${await monitorOf(engine, name)}/root/dev`]);
      t.notMatch(files, /^ran$/m);
      const programs = (text: string) => text.split('\n').length;
      t.equal(programs(await outputOf(engine, ['top', name])), programs(before));
      t.equal(await stateOf(engine, name), 'running 0');
    },
  },
  {
    name: 'checkpoint is refused, and not offered',
    async run(t, engine) {
      const name = 'bv-checkpoint';
      const { id } = await startGuest(t, engine, name, helloAlone);
      const said = await refusal(
        engine,
        engine.name === 'podman'
          ? ['container', 'checkpoint', name]
          : ['checkpoint', 'create', name, 'first'],
      );
      // podman looks for a program that it needs before it asks its runtime.
      if (engine.name === 'docker') t.match(said, /it is a unikernel/);
      const asked = await callRuntime(engine, 'checkpoint', '--image-path', scratch, id);
      t.equal(asked.status, 1);
      t.match(asked.stderr, /^ucrun: cannot checkpoint container ".*": it is a unikernel\nhint: /);
      t.not((await callRuntime(engine, 'checkpoint', '--help')).status, 0, 'engines take 0 for a yes');
      t.equal(await stateOf(engine, name), 'running 0');
    },
  },
  {
    name: 'cp does not reach into the guest',
    async run(t, engine) {
      const name = 'bv-cp';
      await startGuest(t, engine, name, hello);
      const copied = await engine.call(['cp', '/etc/hostname', `${name}:/copied`]);
      if (engine.name === 'podman') {
        // It joins the processes' mounts, and finds the sandbox, which cannot be written.
        t.not(copied.status, 0);
        t.match(copied.stderr, /read-only file system/);
      } else {
        // It writes into the image's file system, which is not the guest's.
        t.equal(copied.status, 0);
      }
      t.match(await firstAnswer(await urlOf(engine, name)), /"hello"/);
    },
  },
];
