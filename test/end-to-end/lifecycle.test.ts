/** A unikernel's states and the verbs that are allowed in each, as the specification has them, without an engine. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeBundle } from './support/bundle.ts';
import { type Outcome, run, runWithOutputTo } from './support/command.ts';
import { scratch, ucrun } from './support/environment.ts';
import { nothingLeft } from './support/leftovers.ts';
import { waitFor } from './support/wait.ts';

const folder = join(scratch, 'lifecycle');
const crunRoot = join(folder, 'crun');
const bundle = join(folder, 'bundle');

t.before(async () => {
  await mkdir(crunRoot, { recursive: true });
  await makeBundle(bundle, (spec) => {
    spec.process.env = ['SERVICE_NAME=hello'];
  });
});

/** One container, whose output goes to a file. */
class Machine {
  readonly id: string;
  readonly #output: string;

  constructor(id: string) {
    this.id = id;
    this.#output = join(folder, `${id}.output`);
  }

  call(verb: string, ...args: readonly string[]): Promise<Outcome> {
    return run(ucrun, ['--root', crunRoot, verb, ...args]);
  }

  kill(signal: string): Promise<Outcome> {
    return this.call('kill', this.id, signal);
  }

  async create(): Promise<void> {
    const args = ['--root', crunRoot, 'create', '--bundle', bundle, this.id];
    if ((await runWithOutputTo(this.#output, [ucrun, ...args])) !== 0) throw new Error(await this.printed());
  }

  async start(): Promise<void> {
    await this.create();
    await this.call('start', this.id);
    await waitFor('the guest', async () => /^hello: ready/m.test(await this.printed()), 60);
  }

  printed(): Promise<string> {
    return readFile(this.#output, 'utf8');
  }

  async status(): Promise<string> {
    const { stdout, stderr } = await this.call('state', this.id);
    return stdout === '' ? stderr : JSON.parse(stdout).status;
  }

  waitForEnd(): Promise<boolean> {
    return waitFor(`the end of ${this.id}`, async () => (await this.status()) === 'stopped');
  }
}

interface Row {
  readonly name: string;
  readonly run: (t: Test, machine: Machine) => Promise<void>;
}

/** A verb that is not allowed fails, and changes nothing. */
async function expectRefusals(
  t: Test,
  machine: Machine,
  status: string,
  verbs: readonly (readonly [verb: string, ...args: string[]])[],
): Promise<void> {
  for (const [verb, ...args] of verbs) {
    const refused = await machine.call(verb, ...args);
    t.not(refused.status, 0, `${verb} of one that is ${status}`);
    t.not(refused.stderr, '');
    t.equal(await machine.status(), status);
  }
}

const rows: readonly Row[] = [
  {
    name: 'created: nothing runs; KILL ends it, a signal that means nothing does not',
    async run(t, machine) {
      await machine.create();
      t.equal(await machine.status(), 'created');
      t.equal(await machine.printed(), '');
      t.equal((await machine.kill('USR1')).status, 0);
      t.equal(await machine.status(), 'created');
      await expectRefusals(t, machine, 'created', [['create', '--bundle', bundle, machine.id]]);
      t.equal((await machine.kill('KILL')).status, 0);
      await machine.waitForEnd();
      t.equal(await machine.printed(), '', 'and nothing has run');
    },
  },
  {
    name: 'running: it is neither started, deleted nor created again',
    async run(t, machine) {
      await machine.start();
      await expectRefusals(t, machine, 'running', [
        ['start', machine.id],
        ['delete', machine.id],
        ['create', '--bundle', bundle, machine.id],
        ['kill', machine.id, 'NONSENSE'],
        ['kill', machine.id, '65'],
        ['exec', machine.id, 'true'],
        ['checkpoint', '--image-path', folder, machine.id],
      ]);
      t.equal((await machine.kill('0')).status, 0, 'it is there');
      t.equal((await machine.call('kill', '--all', machine.id, '15')).status, 0);
      await machine.waitForEnd();
      t.match(await machine.printed(), /power button/);
    },
  },
  {
    name: 'paused: a stop signal waits until it goes on, KILL does not',
    async run(t, machine) {
      await machine.start();
      t.equal((await machine.call('pause', machine.id)).status, 0);
      t.equal(await machine.status(), 'paused');
      t.equal((await machine.call('pause', machine.id)).status, 0, 'and once more');
      await expectRefusals(t, machine, 'paused', [
        ['start', machine.id],
        ['delete', machine.id],
      ]);
      t.equal((await machine.kill('TERM')).status, 0);
      t.equal(await machine.status(), 'paused');
      t.equal((await machine.call('resume', machine.id)).status, 0);
      await machine.waitForEnd();
      t.match(await machine.printed(), /power button/);

      t.equal((await machine.call('delete', machine.id)).status, 0);
      await machine.start();
      t.equal((await machine.call('pause', machine.id)).status, 0);
      t.equal((await machine.kill('9')).status, 0);
      await machine.waitForEnd();
    },
  },
  {
    name: 'stopped: it cannot be killed, in words that engines know',
    async run(t, machine) {
      await machine.start();
      t.equal((await machine.kill('KILL')).status, 0);
      await machine.waitForEnd();
      await expectRefusals(t, machine, 'stopped', [
        ['start', machine.id],
        ['pause', machine.id],
        ['resume', machine.id],
      ]);
      for (const signal of ['TERM', 'KILL', 'USR1', 'STOP', 'CONT', '0']) {
        const { status, stderr } = await machine.kill(signal);
        t.equal(status, 1, signal);
        // What containerd takes for a container that has ended. @see containerd/go-runc, checkKillError()
        t.match(
          stderr.toLowerCase(),
          /container not running|no such process|process already finished/,
          signal,
        );
      }
      t.equal((await machine.call('delete', machine.id)).status, 0);
    },
  },
  {
    name: 'unknown: every verb fails but a forced delete',
    async run(t, machine) {
      for (const verb of ['start', 'state', 'kill', 'delete', 'pause', 'resume', 'exec'])
        t.not((await machine.call(verb, machine.id, ...(verb === 'exec' ? ['true'] : []))).status, 0, verb);
      t.strictSame(await machine.call('delete', '--force', machine.id), {
        status: 0,
        stdout: '',
        stderr: '',
      });
    },
  },
];

for (const [index, row] of rows.entries()) {
  t.test(row.name, async (t) => {
    const machine = new Machine(`lifecycle-${index}`);
    t.teardown(async () => {
      await machine.call('delete', '--force', machine.id);
      await nothingLeft({ id: machine.id, networkNamespace: undefined, crunRoot });
    });
    await row.run(t, machine);
  });
}
