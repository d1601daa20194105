/**
 * What a user of containers counts on, one row a promise. The rows are the same for podman and docker; where an engine has no
 * such verb, the row says why not.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { output, quote, runOnTerminal } from './command.ts';
import { callRuntime, type Engine, outputOf } from './engine.ts';
import {
  guestArgs,
  inspect,
  logOf,
  monitorOf,
  startGuest,
  startUnready,
  stateOf,
  tracesOf,
  urlOf,
  waitForLog,
  waitForReady,
} from './engine-guests.ts';
import { scratch } from './environment.ts';
import { firstAnswer, get } from './http.ts';
import { nothingLeft } from './leftovers.ts';
import { waitFor } from './wait.ts';

export interface Row {
  readonly name: string;
  /** Why an engine cannot have this row. */
  readonly without?: Readonly<Partial<Record<Engine['name'], string>>>;
  readonly run: (t: Test, engine: Engine) => Promise<void>;
}

/** Run the rows, one after the other. @param engine asked for only once the engine has been started */
export function runRows(rows: readonly Row[], name: Engine['name'], engine: () => Engine): void {
  for (const row of rows)
    t.test(row.name, { skip: row.without?.[name] ?? false }, (t) => row.run(t, engine()));
}

/** Whoever types before the guest listens cannot expect to be heard. */
export const isReady = /^hello: ready[^\n]*\n/m;

export const hello = { service: 'hello' } as const;
const helloAlone = { service: 'hello', options: ['--network', 'none'] } as const;

/** A Linux guest's command: without double quotes, which have no way to be written on its command line. */
const shell = (script: string) => ['sh', '-c', script];

/** Whether the engine refused, and how. */
async function refusal(engine: Engine, args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await engine.call(args);
  if (status === 0) throw new Error(`${engine.name} ${args.join(' ')} did not fail:\n${stdout}${stderr}`);
  return stderr;
}

export const rows: readonly Row[] = [
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
        await t.rejects(get(url), `no answer after ${signal}`);
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
      for (let times = 0; times < 2; times++) await t.rejects(get(url), 'no answer while paused');
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
    name: 'a stop without patience, and the removal of a running guest, kill it',
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
    name: 'restart',
    async run(t, engine) {
      const name = 'bv-restart';
      await startGuest(t, engine, name, hello);
      await outputOf(engine, ['restart', name]);
      await waitForReady(engine, name, 2);
      t.match(await firstAnswer(await urlOf(engine, name)), /"hello"/);
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
    name: '-i: what the engine reads is typed on the console; without it nothing is',
    async run(t, engine) {
      const guest = { service: 'hello', options: ['--rm', '--network', 'none', '-i'] } as const;
      const typed = await engine.call(['run', ...guestArgs(engine, 'bv-typed', guest)], {
        input: 'good day\nexit 7\n',
        typesAfter: isReady,
      });
      t.equal(typed.status, 7);
      t.match(typed.stdout, /you said: good day/);
      t.equal(typed.stderr, '');
    },
  },
  {
    name: '-it: the console is a terminal, and Ctrl-C is for the guest',
    async run(t, engine) {
      const guest = { service: 'hello', options: ['--rm', '--network', 'none', '-it'] } as const;
      const args = ['run', ...guestArgs(engine, 'bv-terminal', guest)];
      for (const [input, code] of [
        ['exit 9\n', 9],
        ['\x03', 130],
      ] as const) {
        const { status, stdout } = await runOnTerminal(engine.program, args, {
          input,
          typesAfter: isReady,
          env: engine.env,
        });
        t.equal(status, code);
        t.match(stdout, isReady);
      }
    },
  },
  {
    name: '-t: a terminal that changes its size is no matter',
    async run(t, engine) {
      const name = 'bv-resized';
      const folder = await mkdtemp(join(scratch, 'resized-'));
      t.teardown(async () => {
        await engine.remove(name);
        await rm(folder, { recursive: true });
      });
      const guest = { service: 'hello', options: ['--network', 'none', '-it'] } as const;
      const command = [engine.program, 'run', ...guestArgs(engine, name, guest)].map(quote).join(' ');
      const ended = runOnTerminal('sh', ['-c', `tty >${quote(folder)}/tty; exec ${command}`], {
        env: engine.env,
      });
      await waitFor('the container', async () => (await engine.call(['logs', name])).status === 0);
      await waitForReady(engine, name);
      const terminal = (await readFile(join(folder, 'tty'), 'utf8')).trim();
      await output('stty', ['-F', terminal, 'rows', '33', 'cols', '99']);
      const console = `/proc/${await monitorOf(engine, name)}/fd/0`;
      await waitFor(
        'the new size',
        async () => (await output('stty', ['-F', console, 'size'])) === '33 99\n',
      );
      t.equal(await stateOf(engine, name), 'running 0');
      await outputOf(engine, ['stop', name]);
      const { status, stdout } = await ended;
      t.equal(status, 0);
      t.match(stdout, /^(hello: [^\n]*\r\n|\r\n)*$/, 'the guest alone has written');
    },
  },
  {
    name: 'attach and detach, as often as one likes, and to the end',
    async run(t, engine) {
      const name = 'bv-attach';
      await startGuest(t, engine, name, { service: 'hello', options: ['--network', 'none', '-it'] });
      const attach = ['attach', '--detach-keys', 'ctrl-x', name];
      for (const word of ['one', 'two']) {
        const { status, stdout } = await runOnTerminal(engine.program, attach, {
          input: `${word}\n`,
          dialogue: [[new RegExp(`you said: ${word}`), '\x18']],
          env: engine.env,
        });
        t.match(stdout, `you said: ${word}`);
        // docker has changed its mind about the status, and says so.
        if (engine.name === 'docker') t.match(stdout, 'read escape sequence');
        else t.equal(status, 0);
        t.equal(await stateOf(engine, name), 'running 0');
      }
      const last = await runOnTerminal(engine.program, attach, { input: 'exit 5\n', env: engine.env });
      // podman's attach does not tell how the container ended.
      if (engine.name === 'docker') t.equal(last.status, 5);
      t.equal(await stateOf(engine, name), 'exited 5');
    },
  },
  {
    name: 'every byte goes in and comes out as it is',
    async run(t, engine) {
      const name = 'bv-bytes';
      t.teardown(() => engine.remove(name));
      const all = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte));
      const guest = {
        service: 'linux',
        options: ['--network', 'none', '-i'],
        args: shell(
          'stty raw -echo; echo go; head -c 256 >/tmp/all; hexdump -v -C /tmp/all; echo now; cat /tmp/all',
        ),
      } as const;
      const { status, stdout } = await engine.call(['run', ...guestArgs(engine, name, guest)], {
        input: all,
        typesAfter: /^go\n/,
        encoding: 'latin1',
      });
      t.equal(status, 0);
      const received = [...stdout.matchAll(/^[0-9a-f]{8} ((?: ?[0-9a-f]{2} ){16})/gm)]
        .flatMap(([, bytes = '']) => bytes.trim().split(/ +/))
        .map((byte) => Number.parseInt(byte, 16));
      t.strictSame(received, [...Array(256).keys()], 'in');
      t.equal(stdout.slice(stdout.indexOf('now\n') + 4), all, 'out');
      // docker's log is made of JSON texts, which have no way to write a byte that is not UTF-8.
      if (engine.name === 'docker') return;
      const log = await engine.call(['logs', name], { encoding: 'latin1' });
      t.equal(log.stdout, stdout, 'and into the log');
    },
  },
  {
    name: 'logs: the console and nothing else, followed to the end, from the last lines on',
    async run(t, engine) {
      const name = 'bv-logs';
      await startGuest(t, engine, name, helloAlone);
      const followed = engine.call(['logs', '--follow', name]);
      await outputOf(engine, ['stop', name]);
      const { status, stdout, stderr } = await followed;
      t.equal(status, 0);
      t.match(stdout, /^(hello: [^\n]*\n|\n)+$/);
      t.match(stdout, /ready.*power button/s);
      t.equal(stderr, '');
      // podman takes what it read at once for a line, and a serial port gives it single bytes.
      if (engine.name === 'docker')
        t.match(await outputOf(engine, ['logs', '--tail', '1', name]), /^hello: power button[^\n]*$/);
      t.match(await outputOf(engine, ['logs', '--timestamps', name]), /^\d{4}-\d\d-\d\dT\S+ hello: /);
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
  t.ok(performance.now() - started < 5000, 'well before the engine loses its patience after 10 s');
  t.equal(await stateOf(engine, name), 'exited 0');
  t.match(await logOf(engine, name), /power button/);
}

/** The image whose STOPSIGNAL is this one. */
export function stopSignalImage(signal: string): string {
  return `localhost/ucrun-test-${signal.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')}`;
}

/** Make the images that rows need beside the tracker image, with podman. @returns their names */
export async function buildStopSignalImages(base: string): Promise<readonly string[]> {
  const images: string[] = [];
  for (const signal of ['SIGRTMIN+3', 'SIGUSR1']) {
    const image = stopSignalImage(signal);
    const containerfile = `FROM ${base}\nSTOPSIGNAL ${signal}\n`;
    await output('podman', ['build', '--quiet', '--tag', image, '-'], { input: containerfile });
    images.push(image);
  }
  return images;
}
