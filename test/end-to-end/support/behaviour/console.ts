import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { output, quote, runOnTerminal } from '../command.ts';
import { outputOf } from '../engine.ts';
import { guestArgs, monitorOf, startGuest, stateOf, waitForReady } from '../engine-guests.ts';
import { scratch } from '../environment.ts';
import { waitFor } from '../wait.ts';
import { helloAlone, isReady, type Row, shell } from './row.ts';

/** What goes in and comes out. */
export const consoleRows: readonly Row[] = [
  {
    name: '-i: what the engine reads is typed on the console',
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
      // Nor does it wait for podman's clean-up, before which the state is "stopped".
      await waitFor('the end', async () => (await stateOf(engine, name)).startsWith('exited'));
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
      t.match(stdout, /^hello: .*ready/s);
      t.equal(stderr, '');
      const log = await outputOf(engine, ['logs', name]);
      t.match(`${log}\n`, /^(hello: [^\n]*\n|\n)+$/);
      t.match(log, /ready.*power button/s);
      // podman may stop following before the last line, and takes what it read at once for a line: a serial port gives it single bytes.
      if (engine.name === 'docker') {
        t.match(stdout, /ready.*power button/s);
        t.match(await outputOf(engine, ['logs', '--tail', '1', name]), /^hello: power button[^\n]*$/);
      }
      t.match(await outputOf(engine, ['logs', '--timestamps', name]), /^\d{4}-\d\d-\d\dT\S+ h/);
    },
  },
];
