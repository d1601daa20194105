import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { waitFor } from '../wait.ts';
import type { Machines } from './subject.ts';

/** Something that machines do, whoever keeps them. Its machines have the row's name in theirs. */
export interface VerbRow {
  readonly name: string;
  readonly what: string;
  readonly check: (t: Test, machines: Machines, name: string) => Promise<void>;
}

/** A guest that stays until its power button is pressed, and says when it is ready for that. */
const staying = ['--stop-timeout', '1s', 'linux'];
const ready = /^linux: ready/m;
/** A guest that runs a command of its shell. */
const shell = (script: string) => ['linux', '--', 'sh', '-c', script];

export const verbRows: readonly VerbRow[] = [
  {
    name: 'create',
    what: 'create makes a machine that does not run, once',
    async check(t, machines, name) {
      await machines.create(name, ['--label', 'tier=test', ...staying]);
      t.match(await machines.inspect(name), { status: 'created', manager: machines.host.manager });
      const again = await machines.run('create', '--name', name, ...machines.host.options, ...staying);
      t.equal(again.status, 1);
      t.match(again.stderr, `there is a machine "${name}" already`);
      const bad = await machines.run('create', '--name', '../x', ...machines.host.options, ...staying);
      t.match(bad, { status: 1, stderr: /"\.\.\/x" cannot be the name of a machine/ });
      const unknown = await machines.run(
        'create',
        '--name',
        `${name}-x`,
        ...machines.host.options,
        'no-such',
      );
      t.match(unknown, { status: 1, stderr: /unikernel "no-such" is unknown/ });
      t.match(await machines.run('inspect', `${name}-x`), { status: 1 }, 'nothing of it stays');
    },
  },
  {
    name: 'life',
    what: 'start, pause, resume, logs and stop',
    async check(t, machines, name) {
      await machines.create(name, ['--port', '18081:8080', ...staying]);
      await machines.do('start', name);
      const running = await machines.inspect(name);
      t.equal(running.status, 'running');
      const comm = await machines.host.run(['cat', `/proc/${running.pid}/comm`]);
      t.match(comm.stdout, /^qemu-system/, 'its process is QEMU');
      t.match(await machines.run('start', name), { status: 1, stderr: /is running already/ });
      await machines.waitForLog(name, ready);

      await machines.do('pause', name);
      t.equal((await machines.inspect(name)).status, 'paused');
      const { stdout: paused } = await machines.run('ps');
      t.match(paused, new RegExp(`^${name} .*\\(Paused\\)`, 'm'));
      await machines.do('resume', name);
      t.equal((await machines.inspect(name)).status, 'running');

      const stopping = performance.now();
      await machines.do('stop', '--time', '60s', name);
      t.ok(performance.now() - stopping < 55_000, 'the guest ended by itself');
      t.match(await machines.inspect(name), { status: 'exited', exitStatus: 0 });
      t.match(await machines.do('logs', '--timestamps', '--tail', '1', name), /^\d{4}-\d\d-\d\dT\S+Z \S/);
      await machines.do('stop', name);
      t.match(await machines.run('pause', name), { status: 1, stderr: /is not running/ });

      await machines.do('start', name);
      t.equal((await machines.inspect(name)).status, 'running', 'and it can be started again');
    },
  },
  {
    name: 'ends',
    what: "a machine's exit status is its guest's",
    async check(t, machines, name) {
      const outcome = await machines.run(
        'run',
        '--name',
        name,
        '--env',
        'WORD=hello',
        ...machines.host.options,
        ...shell('echo said $WORD; exit 7'),
      );
      t.match(outcome.stdout, /^said hello$/m, 'its console is shown');
      t.equal(outcome.status, 7);
      t.match(await machines.inspect(name), { status: 'exited', exitStatus: 7 });
      t.match(await machines.do('ps', '--all'), new RegExp(`^${name} +linux +Exited \\(7\\)`, 'm'));
      t.notMatch(await machines.do('ps'), new RegExp(`^${name} `, 'm'));
      t.equal(await machines.do('logs', name), outcome.stdout.trimEnd());
    },
  },
  {
    name: 'once',
    what: 'run --rm leaves nothing',
    async check(t, machines, name) {
      const { status, stdout } = await machines.run(
        'run',
        '--rm',
        '--name',
        name,
        ...machines.host.options,
        ...shell('echo gone; exit 3'),
      );
      t.equal(status, 3);
      t.match(stdout, /^gone$/m);
      t.match(await machines.run('inspect', name), { status: 1, stderr: /is unknown/ });
    },
  },
  {
    name: 'update',
    what: 'update says what holds at once and what later, and both come true',
    async check(t, machines, name) {
      await machines.create(name, ['--memory', '256MiB', ...staying]);
      t.match(
        await machines.do('update', '--memory', '224MiB', name),
        /^ {2}at the next start: memory: 224MiB$/m,
      );
      await machines.do('start', name);
      t.equal((await machines.inspect(name)).memoryMiB, 224);
      await machines.waitForLog(name, ready);
      const text = await machines.do(
        'update',
        '--memory',
        '192MiB',
        '--env',
        'A=1',
        '--restart',
        'always',
        name,
      );
      t.match(text, /^ {2}now: memory: the guest is asked to give back all but 192MiB$/m);
      t.match(text, /^ {2}now: restart policy: always$/m);
      t.match(text, /^ {2}at the next start: environment$/m);
      t.match(await machines.run('update', name), { status: 1, stderr: /nothing to change/ });
    },
  },
  {
    name: 'delete',
    what: 'rm refuses a machine that runs, unless by force; several names fail one by one',
    async check(t, machines, name) {
      await machines.create(name, staying);
      await machines.create(`${name}-2`, staying);
      await machines.do('start', name);
      const { status, stdout, stderr } = await machines.run('rm', name, `${name}-2`, `${name}-3`);
      t.equal(status, 1);
      t.equal(stdout, `${name}-2\n`);
      t.match(stderr, new RegExp(`machine "${name}" is running`));
      t.match(stderr, new RegExp(`machine "${name}-3" is unknown`));
      t.equal((await machines.inspect(name)).status, 'running');
      await machines.do('rm', '--force', name);
      t.match(await machines.run('inspect', name), { status: 1 });
    },
  },
  {
    name: 'list',
    what: 'ps lists by filter and in any form',
    async check(t, machines, name) {
      await machines.create(name, ['--label', 'tier=front', '--port', '127.0.0.1:18082:80/udp', ...staying]);
      const filters = ['--all', '--no-engines', '--filter', 'label=tier=front', '--filter', `name=${name}`];
      t.equal(await machines.do('ps', ...filters, '--quiet'), name);
      t.equal(
        await machines.do('ps', ...filters, '--format', '{{.Name}} {{.State}} {{.Ports}} {{.Manager}}'),
        `${name} created 127.0.0.1:18082->80/udp ${machines.host.manager}`,
      );
      t.match(JSON.parse(await machines.do('ps', ...filters, '--format', 'json')), [
        { name, state: 'created' },
      ]);
      t.match(await machines.do('ps', ...filters, '--format', 'yaml'), new RegExp(`^- name: ${name}$`, 'm'));
      t.equal(await machines.do('ps', ...filters, '--filter', 'status=running', '--quiet'), '');
      const all = (await machines.do('inspect', '--all', '--format', '{{.Name}}')).split('\n');
      t.ok(all.includes(name), 'inspect shows all of them, too');
      t.match(await machines.run('inspect'), { status: 1, stderr: /name one or more, or say --all/ });
      t.match(await machines.run('ps', '--filter', 'status=runing'), { status: 1, stderr: /did you mean/ });
      t.match(await machines.run('ps', '--format', '{{.Nmae}}'), { status: 1, stderr: /did you mean/ });
    },
  },
  {
    name: 'crash',
    what: 'a QEMU that is killed is noticed, and started again where that is wanted',
    async check(t, machines, name) {
      await machines.create(name, ['--restart', 'on-failure:1', '--restart-sec', '100ms', ...staying]);
      await machines.do('start', name);
      const { pid } = await machines.inspect(name);
      await machines.host.run(['kill', '-KILL', `${pid}`]);
      const again = await waitFor(
        `${name} to be started again`,
        async () => {
          const found = await machines.inspect(name);
          return found.status === 'running' && found.pid !== pid && found;
        },
        120,
      );
      t.equal(again.restarts, 1);
      await machines.host.run(['kill', '-KILL', `${again.pid}`]);
      t.match(await machines.waitForStatus(name, 'exited'), { exitStatus: 137 }, 'but only so often');
    },
  },
  {
    name: 'watch',
    what: 'watch tells each change, with its time',
    async check(t, machines, name) {
      await machines.create(name, ['--network', 'none', 'hello']);
      const socket = qmpSocket(machines, name);
      const moments: number[] = [];
      const lines = await machines.watchWhile(name, async () => {
        await machines.do('start', name);
        moments.push(Date.now());
        await sayToQemu(socket, ['stop', 'cont', 'stop', 'cont', 'quit']);
        moments.push(Date.now());
      });
      t.strictSame(
        lines.map(({ status }) => status),
        ['created', 'starting', 'running', 'paused', 'running', 'paused', 'running', 'stopping', 'exited'],
      );
      const times = lines.map(({ time }) => Date.parse(time));
      t.strictSame(times.toSorted(), times);
      const [before = 0, after = 0] = moments;
      t.ok(
        times.slice(3, 7).every((time) => time >= before && time <= after),
        `${lines.map(({ time }) => time)} are the times when it happened`,
      );
      t.equal(lines.at(-1)?.exitStatus, 0);
    },
  },
  {
    name: 'held',
    what: 'a guest that somebody else has held is paused, until somebody lets it go on',
    async check(t, machines, name) {
      await machines.create(name, ['--network', 'none', 'hello']);
      await machines.do('start', name);
      const socket = qmpSocket(machines, name);
      await sayToQemu(socket, ['stop']);
      await machines.waitForStatus(name, 'paused');
      await machines.do('resume', name);
      t.match(await machines.inspect(name), { status: 'running' });
      await machines.do('pause', name);
      await sayToQemu(socket, ['cont']);
      await machines.waitForStatus(name, 'running');
    },
  },
];

function qmpSocket({ host }: Machines, name: string): string {
  const path = `/run/ucrun/machines/${name}/qemu/qmp.sock`;
  return host.path?.(path) ?? path;
}

/** Say commands to a QEMU, each when the one before is done. */
async function sayToQemu(socketPath: string, commands: readonly string[]): Promise<void> {
  const socket = connect(socketPath);
  // Whoever quits hangs up.
  socket.on('error', () => {});
  const replies = createInterface({ input: socket })[Symbol.asyncIterator]();
  for (const command of ['qmp_capabilities', ...commands]) {
    socket.write(`{"execute":"${command}"}\n`);
    for (;;) {
      const { value = '', done = false } = await replies.next();
      if (done || value.startsWith('{"return"')) break;
      if (value.startsWith('{"error"')) throw new Error(`QEMU refuses ${command}: ${value}`);
    }
  }
  socket.destroy();
}
