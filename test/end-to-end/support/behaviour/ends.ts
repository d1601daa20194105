import { outputOf } from '../engine.ts';
import {
  guestArgs,
  inspect,
  logOf,
  monitorOf,
  startGuest,
  startUnready,
  stateOf,
  urlOf,
  waitForReady,
} from '../engine-guests.ts';
import { firstAnswer, get } from '../http.ts';
import { nothingLeft } from '../leftovers.ts';
import { waitFor } from '../wait.ts';
import { helloAlone, isReady, type Row, shell } from './row.ts';

/** How a guest ends, and what its engine makes of it. */
export const endRows: readonly Row[] = [
  {
    name: "the guest's exit status is that of run, wait and inspect",
    async run(t, engine) {
      for (const code of [0, 1, 3, 42, 127, 255]) {
        const name = `bv-exit-${code}`;
        t.teardown(() => engine.remove(name));
        const guest = { service: 'hello', options: ['--interactive', '--network', 'none'] } as const;
        const ended = await engine.call(['run', ...guestArgs(engine, name, guest)], {
          input: `exit ${code}\n`,
          typesAfter: isReady,
        });
        t.equal(ended.status, code, `run: ${code}`);
        t.equal(await stateOf(engine, name), `exited ${code}`);
        t.equal(await outputOf(engine, ['wait', name]), `${code}`);
      }
    },
  },
  {
    name: "a Linux guest's program gives its status, words, environment and nothing else",
    async run(t, engine) {
      const ended = await engine.call([
        'run',
        ...guestArgs(engine, 'bv-program', {
          service: 'linux',
          // Neither an init of the engine's nor a root file system that cannot be written is the guest's business.
          options: ['--rm', '--init', '--read-only', '--network', 'none', '--env', 'GREETING=good day'],
          args: [
            ...shell('echo $GREETING; for word; do echo [$word]; done; exit 42'),
            'sh',
            'one',
            'two words',
          ],
        }),
      ]);
      t.strictSame(ended, { status: 42, stdout: 'good day\n[one]\n[two words]\n', stderr: '' });
    },
  },
  {
    name: 'a guest answers on its published port and on its own address',
    async run(t, engine) {
      const port = engine.name === 'podman' ? 18120 : 18121;
      await startGuest(t, engine, 'bv-net', {
        service: 'hello',
        options: ['--publish', `${port}:8080`, '--env', 'PORT=8080'],
      });
      t.match(JSON.parse(await firstAnswer(`http://${engine.address}:${port}/`)), {
        cmdline: /\bport=8080\b/,
      });
      t.match(JSON.parse(await get(await urlOf(engine, 'bv-net'))), { name: 'hello' });
      t.equal(await stateOf(engine, 'bv-net'), 'running 0');
      await fetch(new URL('exit?code=7', await urlOf(engine, 'bv-net')), {
        method: 'POST',
        headers: { connection: 'close' },
      });
      t.equal(
        await outputOf(engine, ['wait', 'bv-net']),
        '7',
        'and ends when it is asked to over the network',
      );
    },
  },
  {
    name: 'restart',
    async run(t, engine) {
      const name = 'bv-restart';
      const port = engine.name === 'podman' ? 18122 : 18123;
      await startGuest(t, engine, name, { service: 'hello', options: ['--publish', `${port}:8080`] });
      await outputOf(engine, ['restart', name]);
      await waitForReady(engine, name, 2);
      t.match(await firstAnswer(`http://${engine.address}:${port}/`), /"hello"/);
      t.match(await logOf(engine, name), /power button.*ready/s);
    },
  },
  {
    name: '--restart=on-failure: after SIGKILL of QEMU, and not after a stop',
    async run(t, engine) {
      const name = 'bv-policy';
      const options = ['--network', 'none', '--restart', 'on-failure:3'];
      await startGuest(t, engine, name, { service: 'hello', options });
      process.kill(await monitorOf(engine, name), 'SIGKILL');
      await waitForReady(engine, name, 2);
      t.equal(await inspect(engine, name, '{{.RestartCount}}'), '1');
      await outputOf(engine, ['stop', name]);
      t.equal(await stateOf(engine, name), 'exited 0');
    },
  },
  {
    name: '--restart=on-failure: after a panic, which the log tells',
    async run(t, engine) {
      const name = 'bv-panic';
      await startUnready(t, engine, name, {
        service: 'linux',
        options: ['--network', 'none', '--restart', 'on-failure:1'],
        args: shell('echo c >/proc/sysrq-trigger'),
      });
      await waitFor(
        'the second end',
        async () => (await inspect(engine, name, '{{.RestartCount}} {{.State.Status}}')) === '1 exited',
        60,
      );
      t.equal(await stateOf(engine, name), 'exited 134');
      t.equal([...(await logOf(engine, name)).matchAll(/^ucrun: the guest panicked$/gm)].length, 2);
    },
  },
  {
    name: 'a QEMU that refuses to start is 125, with its reason in the log',
    async run(t, engine) {
      const name = 'bv-refused';
      t.teardown(() => engine.remove(name));
      const args = guestArgs({ ...engine, runtime: engine.brokenRuntime }, name, helloAlone);
      const { status, stdout, stderr } = await engine.call(['run', ...args]);
      t.equal(status, 125);
      t.equal(stdout, '');
      t.match(stderr, /^ucrun: .*no-such-device/m);
      t.equal(await stateOf(engine, name), 'exited 125');
      t.match(await logOf(engine, name), /^ucrun: .*no-such-device/m);
    },
  },
  {
    name: '--rm leaves nothing, whoever ends the guest',
    async run(t, engine) {
      for (const end of ['stop', 'kill']) {
        const name = `bv-rm-${end}`;
        const traces = await startGuest(t, engine, name, { service: 'hello', options: ['--rm'] });
        await outputOf(engine, [end, name]);
        await nothingLeft(traces);
        await waitFor('the name to be free', async () => {
          return (await engine.call(['container', 'inspect', name])).status !== 0;
        });
      }
    },
  },
];
