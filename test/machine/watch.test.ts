import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { RuntimeError } from '../../src/base/runtime-error.ts';
import { noteChange } from '../../src/machine/changes.ts';
import { recordEnd } from '../../src/machine/ended.ts';
import { isPaused } from '../../src/machine/history.ts';
import type { MachineFiles } from '../../src/machine/places.ts';
import { writeRunState } from '../../src/machine/run-state.ts';
import {
  describeMachine,
  type Machine,
  type MachineEvent,
  type MachineStatus,
} from '../../src/machine/service.ts';
import { isBroken, MachineStore } from '../../src/machine/store.ts';
import { watchMachines } from '../../src/machine/watch.ts';
import { record } from './support/records.ts';

const started = '2026-02-03T04:05:06.000Z';
const startedMs = Date.parse(started);

/** A store, and a manager that says of each machine what it is told to say. */
class Stage {
  readonly store: MachineStore;
  readonly says = new Map<string, MachineStatus>();
  /** How often it was asked. */
  asked = 0;
  problem: RuntimeError | undefined;
  /** Called while it is asked. */
  meanwhile: () => void = () => {};

  constructor(t: Test) {
    const folder = t.testdir();
    this.store = new MachineStore({
      scope: 'user',
      store: join(folder, 'store'),
      run: join(folder, 'run'),
      units: join(folder, 'units'),
    });
  }

  async create(name: string): Promise<MachineFiles> {
    await this.store.create(name, async () => ({ ...record, name, manager: 'ucrun' }));
    return this.store.files(name);
  }

  /** What `prepare` does. */
  async start(name: string): Promise<MachineFiles> {
    const files = this.store.files(name);
    mkdirSync(files.qemu, { recursive: true });
    writeRunState(files, { started, uid: undefined, klog: undefined, exitValues: {} });
    await this.store.change(name, (before) => ({
      ...before,
      lastRun: { started, ended: undefined, exitStatus: undefined, problem: undefined, restarts: 0 },
    }));
    noteChange(files, { time: started, started, status: 'starting' });
    return files;
  }

  /** Watch until an event is as it should be. @returns all, as `STATUS TIME` */
  async watchUntil(t: Test, isLast: (event: MachineEvent) => boolean): Promise<readonly string[]> {
    const signal = AbortSignal.timeout(20_000);
    const seen: string[] = [];
    const list = async () => {
      this.asked++;
      const found = this.store.readAll();
      this.meanwhile();
      if (this.problem !== undefined) throw this.problem;
      return found.flatMap((machine): Machine[] => {
        if (isBroken(machine)) return [];
        const status = this.says.get(machine.name) ?? 'created';
        return [describeMachine(machine, { status, pid: undefined, isEnabled: false })];
      });
    };
    for await (const event of watchMachines({ store: this.store, list, news: undefined, signal })) {
      seen.push(`${event.status} ${event.time}`);
      if (isLast(event)) return seen;
    }
    t.fail(`only these were seen: ${seen.join(', ')}`);
    return seen;
  }
}

/** An event as the shell beside QEMU keeps it. */
function event(name: string, afterMs: number): string {
  const time = startedMs + afterMs;
  return `{"timestamp": {"seconds": ${Math.floor(time / 1000)}, "microseconds": ${(time % 1000) * 1000}}, "event": "${name}"}\n`;
}

function ready({ qemu }: MachineFiles, afterMs: number): void {
  writeFileSync(`${qemu}/ready`, '');
  utimesSync(`${qemu}/ready`, (startedMs + afterMs) / 1000, (startedMs + afterMs) / 1000);
}

const at = (status: string, afterMs: number) => `${status} ${new Date(startedMs + afterMs).toISOString()}`;

t.test('a run that is over before anybody looks is told of change by change', async (t) => {
  const stage = new Stage(t);
  await stage.create('other');
  let isBegun = false;
  let running: Promise<unknown> = Promise.resolve();
  stage.meanwhile = () => {
    if (isBegun) return;
    isBegun = true;
    running = (async () => {
      await stage.create('web');
      const files = await stage.start('web');
      ready(files, 5);
      appendFileSync(`${files.qemu}/history`, event('STOP', 6) + event('RESUME', 7) + event('STOP', 8));
      appendFileSync(`${files.qemu}/history`, event('RESUME', 9) + event('SHUTDOWN', 10));
      await recordEnd(stage.store, 'web', { status: 7, problem: 'words' });
      stage.says.set('web', 'exited');
    })();
  };
  const seen = await stage.watchUntil(t, ({ name, status, machine }) => {
    if (status !== 'exited') return false;
    t.match({ name, machine }, { name: 'web', machine: { exitStatus: 7, problem: 'words' } });
    return true;
  });
  await running;
  const [first = '', ...rest] = seen.filter((line) => !line.startsWith('created'));
  t.strictSame(
    [first, ...rest.slice(0, -1)],
    [
      at('starting', 0),
      at('running', 5),
      at('paused', 6),
      at('running', 7),
      at('paused', 8),
      at('running', 9),
      at('stopping', 10),
    ],
  );
});

t.test('what is seen as it happens is not told again at the end', async (t) => {
  const stage = new Stage(t);
  await stage.create('web');
  const files = await stage.start('web');
  stage.says.set('web', 'starting');
  const seen = await stage.watchUntil(t, ({ status }) => {
    if (status === 'starting') ready(files, 5);
    if (status === 'running' && !isPaused(files)) writeFileSync(`${files.qemu}/history`, event('STOP', 6));
    if (status === 'paused') {
      t.ok(isPaused(files));
      void recordEnd(stage.store, 'web', { status: 0, problem: undefined });
    }
    return status === 'exited';
  });
  t.strictSame(
    seen.map((line) => line.split(' ')[0]),
    ['starting', 'running', 'paused', 'exited'],
  );
});

t.test('a manager that lags behind does not turn time back, and is asked again', async (t) => {
  const stage = new Stage(t);
  await stage.create('web');
  await stage.start('web');
  stage.says.set('web', 'stopping');
  let ended = Number.POSITIVE_INFINITY;
  stage.meanwhile = () => {
    if (stage.asked === ended + 3) stage.says.set('web', 'restarting');
  };
  const seen = await stage.watchUntil(t, ({ status }) => {
    if (status === 'stopping') void recordEnd(stage.store, 'web', { status: 1, problem: undefined });
    if (status === 'exited') ended = stage.asked;
    return status === 'restarting';
  });
  t.strictSame(
    seen.map((line) => line.split(' ')[0]),
    ['stopping', 'exited', 'restarting'],
  );
});

t.test('a manager that does not answer for a while ends nothing', async (t) => {
  const stage = new Stage(t);
  await stage.create('web');
  const seen = await stage.watchUntil(t, ({ status }) => {
    if (status === 'created') {
      stage.problem = new RuntimeError('SYSTEMD_FAILED', 'it starts anew');
      void stage.start('web');
      setTimeout(() => {
        stage.problem = undefined;
        stage.says.set('web', 'running');
      }, 100);
    }
    return status === 'running';
  });
  t.strictSame(
    seen.map((line) => line.split(' ')[0]),
    ['created', 'starting', 'running'],
  );
});

t.test('a machine that is made anew under its name is another', async (t) => {
  const stage = new Stage(t);
  await stage.create('web');
  await stage.start('web');
  stage.says.set('web', 'running');
  let isAnother = false;
  const seen = await stage.watchUntil(t, ({ status }) => {
    if (status === 'running') {
      rmSync(stage.store.files('web').directory, { recursive: true });
      stage.says.set('web', 'created');
      mkdirSync(stage.store.files('web').directory);
      const created = '2026-03-03T04:05:06.000Z';
      stage.store.write({ ...record, name: 'web', manager: 'ucrun', created });
      noteChange(stage.store.files('web'), { time: created, started: undefined, status: 'created' });
      isAnother = true;
    }
    return isAnother && status === 'created';
  });
  t.strictSame(
    seen.map((line) => line.split(' ')[0]),
    ['running', 'removed', 'created'],
  );
});

t.test('the first machine of all is seen at once', async (t) => {
  const stage = new Stage(t);
  stage.meanwhile = () => {
    stage.meanwhile = () => {};
    setTimeout(() => void stage.create('web'), 50);
  };
  const begun = performance.now();
  await stage.watchUntil(t, ({ status }) => status === 'created');
  t.ok(performance.now() - begun < 8000, 'long before the next look at everything');
});

t.test('what a hostile QEMU writes keeps nobody busy', async (t) => {
  const stage = new Stage(t);
  await stage.create('web');
  const files = await stage.start('web');
  stage.says.set('web', 'running');
  const history = `${files.qemu}/history`;
  const secret = join(files.run, 'secret');
  writeFileSync(secret, event('STOP', 1));
  symlinkSync(secret, history);
  t.notOk(isPaused(files), 'a link is not followed');
  rmSync(history);
  execFileSync('mkfifo', [history]);
  t.notOk(isPaused(files), 'a pipe is not waited for');
  rmSync(history);
  writeFileSync(history, `${'x'.repeat(1e7)}\n${event('STOP', 1)}`);
  t.notOk(isPaused(files), 'not all of what is long is read');
  // More than one a millisecond, at times that never were.
  let count = 0;
  const flood = setInterval(() => {
    const lines = Array.from({ length: 20 }, () => event(++count % 2 === 0 ? 'RESUME' : 'STOP', count * 1e7));
    writeFileSync(history, lines.join(''));
  }, 1);
  const now = Date.now();
  setTimeout(() => noteChange(files, { started, status: 'exited' }), 2000);
  const seen = await stage.watchUntil(t, ({ status }) => status === 'exited');
  clearInterval(flood);
  t.comment(`${seen.length} lines, asked ${stage.asked} times, ${count} events`);
  t.ok(seen.length < 80, `${seen.length} lines`);
  t.ok(stage.asked < 120, `asked ${stage.asked} times`);
  const times = seen.map((line) => Date.parse(line.split(' ')[1] ?? ''));
  t.ok(
    times.every((time) => time <= now + 20_000),
    'nothing is to come',
  );
  t.strictSame(times.toSorted(), times);
});

t.test('the changes that are kept are bounded', async (t) => {
  const stage = new Stage(t);
  const files = await stage.create('web');
  for (let index = 0; index < 5000; index++)
    noteChange(files, { started, status: index % 2 === 0 ? 'starting' : 'exited' });
  t.ok(statSync(files.changes).size < 70_000);
});
