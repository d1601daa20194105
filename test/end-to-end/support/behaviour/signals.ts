import type { Test } from 'tap';
import { callRuntime, type Engine, outputOf } from '../engine.ts';
import {
  logOf,
  startGuest,
  startUnready,
  stateOf,
  urlOf,
  waitForLog,
  waitForReady,
} from '../engine-guests.ts';
import { firstAnswer, get } from '../http.ts';
import { nothingLeft } from '../leftovers.ts';
import { hello, helloAlone, type Row, refusal, shell } from './row.ts';
import { stopSignalImage } from './stop-signal-images.ts';

/** What stops, kills, pauses and resumes a guest. */
export const signalRows: readonly Row[] = [
  {
    name: 'fifty stops, each in less than a second and with the status of the guest, leave nothing',
    async run(t, engine) {
      const name = 'bv-fifty';
      const traces = await startGuest(t, engine, name, hello);
      const seconds: number[] = [];
      const states = new Set<string>();
      for (let stop = 1; stop <= 50; stop++) {
        if (stop > 1) {
          await outputOf(engine, ['start', name]);
          await waitForReady(engine, name, stop);
        }
        const started = performance.now();
        await outputOf(engine, ['stop', name]);
        seconds.push((performance.now() - started) / 1000);
        states.add(await stateOf(engine, name));
      }
      t.strictSame([...states], ['exited 0']);
      // Of five in a row the quickest: this machine has other work, too.
      for (let from = 0; from < seconds.length; from += 5)
        t.ok(Math.min(...seconds.slice(from, from + 5)) < 1, `${seconds.slice(from, from + 5)}`);
      t.equal(
        [...(await logOf(engine, name)).matchAll(/power button/g)].length,
        50,
        'the guest was asked each time',
      );
      await engine.remove(name);
      await nothingLeft(traces);
    },
  },
  {
    name: 'stop of a guest that is deaf to its power button takes the grace period and no more',
    async run(t, engine) {
      await startUnready(t, engine, 'bv-deaf', {
        service: 'linux',
        options: ['--network', 'none'],
        args: shell(
          "trap '' TERM; until killall -q acpid; do sleep 0.1; done; echo deaf; while :; do sleep 9; done",
        ),
      });
      await waitForLog(engine, 'bv-deaf', /^deaf/m);
      const started = performance.now();
      t.equal((await engine.call(['stop', 'bv-deaf'])).status, 0);
      const seconds = (performance.now() - started) / 1000;
      t.ok(seconds > 4.9 && seconds < 8, `${seconds} s; the engine itself loses its patience after 10 s`);
      t.equal(await stateOf(engine, 'bv-deaf'), 'exited 143');
    },
  },
  {
    name: 'signals: those that ask to end press the power button',
    async run(t, engine) {
      const name = 'bv-signals';
      await startGuest(t, engine, name, hello);
      for (const [index, signal] of ['HUP', 'SIGINT', 'QUIT', 'PWR', 'TERM', 'RTMIN+3'].entries()) {
        if (index > 0) {
          await outputOf(engine, ['start', name]);
          await waitForReady(engine, name, index + 1);
        }
        await outputOf(engine, ['kill', '--signal', signal, name]);
        t.equal(await outputOf(engine, ['wait', name]), '0', signal);
        t.equal([...(await logOf(engine, name)).matchAll(/power button/g)].length, index + 1);
      }
      t.ok(await refusal(engine, ['kill', name]), 'a machine that is off cannot be killed');
      t.ok(await refusal(engine, ['kill', 'bv-no-such']), 'nor one that never was');
    },
  },
  {
    name: 'signals: USR1 and its like do nothing, STOP pauses, CONT goes on, KILL ends with 137',
    async run(t, engine) {
      const name = 'bv-signal';
      await startGuest(t, engine, name, hello);
      const url = await urlOf(engine, name);
      for (const signal of ['USR1', 'USR2', 'WINCH', 'ALRM', 'RTMIN+4'])
        await outputOf(engine, ['kill', '--signal', signal, name]);
      t.match(await get(url), /"hello"/);
      for (const signal of ['STOP', 'TSTP']) {
        await outputOf(engine, ['kill', '--signal', signal, name]);
        await t.rejects(get(url, 2), `no answer after ${signal}`);
        await outputOf(engine, ['kill', '--signal', 'CONT', name]);
        t.match(await firstAnswer(url), /"hello"/);
      }
      await outputOf(engine, ['kill', name]);
      t.equal(await outputOf(engine, ['wait', name]), '137');
      t.equal(await stateOf(engine, name), 'exited 137');
    },
  },
  {
    name: 'pause: neither answers nor clock, and all goes on after unpause',
    async run(t, engine) {
      const name = 'bv-pause';
      await startGuest(t, engine, name, hello);
      const url = await urlOf(engine, name);
      const uptime = async () => JSON.parse(await firstAnswer(url)).uptime;
      const before = await uptime();
      const started = performance.now();
      await outputOf(engine, ['pause', name]);
      const paused = performance.now();
      t.equal(await stateOf(engine, name), 'paused 0');
      for (let times = 0; times < 2; times++) await t.rejects(get(url, 2), 'no answer while paused');
      const pauseSeconds = (performance.now() - paused) / 1000;
      await outputOf(engine, ['unpause', name]);
      t.equal(await stateOf(engine, name), 'running 0');
      const passed = (await uptime()) - before;
      const seconds = (performance.now() - started) / 1000;
      t.ok(passed < seconds - 0.9 * pauseSeconds, `${passed} s passed in the guest, ${seconds} s outside`);
    },
  },
  {
    name: 'stop of a paused guest: its power button is pressed once it goes on',
    async run(t, engine) {
      const name = 'bv-paused-stop';
      const { id } = await startGuest(t, engine, name, hello);
      await outputOf(engine, ['pause', name]);
      // docker's stop lets a paused container go on. podman's refuses, so there the runtime is told.
      if (engine.name === 'docker') await outputOf(engine, ['stop', name]);
      else {
        t.ok(await refusal(engine, ['stop', name]));
        t.equal((await callRuntime(engine, 'kill', id, 'TERM')).status, 0);
        await outputOf(engine, ['unpause', name]);
      }
      t.equal(await outputOf(engine, ['wait', name]), '0');
      t.match(await logOf(engine, name), /power button/);
    },
  },
  {
    name: 'kill of a paused guest ends it',
    async run(t, engine) {
      await startGuest(t, engine, 'bv-paused-kill', helloAlone);
      await outputOf(engine, ['pause', 'bv-paused-kill']);
      await outputOf(engine, ['kill', 'bv-paused-kill']);
      t.equal(await outputOf(engine, ['wait', 'bv-paused-kill']), '137');
    },
  },
  {
    name: 'a stop without patience ends a guest, and so does its removal',
    async run(t, engine) {
      const traces = await startGuest(t, engine, 'bv-impatient', hello);
      await outputOf(engine, ['stop', '--time', '0', 'bv-impatient']);
      t.match(await stateOf(engine, 'bv-impatient'), /^exited (137|0)$/);
      await outputOf(engine, ['start', 'bv-impatient']);
      await waitForReady(engine, 'bv-impatient', 2);
      await engine.remove('bv-impatient');
      await nothingLeft(traces);
    },
  },
  {
    name: 'a stop signal of its own: one that presses the button anyway',
    async run(t, engine) {
      await stopInTime(t, engine, 'bv-stop-known', 'SIGRTMIN+3');
    },
  },
  {
    name: 'a stop signal of its own: one that means nothing to a machine otherwise',
    without: { docker: 'docker does not tell its runtime which signal stops a container' },
    async run(t, engine) {
      await stopInTime(t, engine, 'bv-stop-own', 'SIGUSR1');
    },
  },
];

/** Start a guest with a stop signal, stop it, and see that it was asked to end. */
async function stopInTime(t: Test, engine: Engine, name: string, signal: string): Promise<void> {
  await startGuest(t, engine, name, {
    service: 'hello',
    options: ['--network', 'none'],
    image: stopSignalImage(signal),
  });
  const started = performance.now();
  await outputOf(engine, ['stop', name]);
  t.ok(performance.now() - started < 10_000, 'before the engine loses its patience');
  t.equal(await stateOf(engine, name), 'exited 0');
  t.match(await logOf(engine, name), /power button/);
}
