/** The table of docs/engines.md: each engine keeps the same promises, or the table says why it cannot. */
import { release } from 'node:os';
import t, { type Test } from 'tap';
import { makeBrokenRuntime } from './support/broken-runtime.ts';
import { isRecorded, monitorOf } from './support/container-processes.ts';
import { type Containerd, noContainerd, startContainerd } from './support/containerd.ts';
import { noDocker, startDocker } from './support/docker.ts';
import { podmanEngine } from './support/engine.ts';
import { commandLineColumn } from './support/engine-table/by-command-line.ts';
import type { Column, TableContainer, Wanted } from './support/engine-table/column.ts';
import { criColumn } from './support/engine-table/cri.ts';
import { ctrColumn } from './support/engine-table/ctr.ts';
import {
  type PromiseName,
  promises,
  type TableEngine,
  tableEngines,
} from './support/engine-table/promises.ts';
import { firstAnswer } from './support/http.ts';
import { buildPlainImage, buildTrackerImage, plainImage, trackerImage } from './support/images.ts';
import { nothingLeft } from './support/leftovers.ts';
import { waitFor } from './support/wait.ts';

let containerd: Promise<Containerd> | undefined;

/** One for both of its columns; the last one ends it. */
async function startedContainerd(): Promise<Containerd> {
  containerd ??= startContainerd(5).then(async (started) => {
    await started.load(trackerImage, plainImage);
    return started;
  });
  return containerd;
}

/** How to start the engine of each column; a reason if that is not possible here. */
const columns: Readonly<Record<TableEngine, string | (() => Promise<Column>)>> = {
  podman: async () => commandLineColumn(podmanEngine(''), () => Promise.resolve()),
  docker:
    noDocker ||
    (async () => {
      const docker = await startDocker(6, await makeBrokenRuntime('broken-table'));
      await docker.load(trackerImage, plainImage);
      return commandLineColumn(docker, () => docker.stop());
    }),
  ctr: noContainerd || (async () => ctrColumn(await startedContainerd())),
  cri: noContainerd || (async () => criColumn(await startedContainerd())),
};

const port = 18_170;

t.before(async () => {
  await buildTrackerImage();
  await buildPlainImage();
});

for (const [engine, head] of Object.entries(tableEngines) as [TableEngine, string][]) {
  const start = columns[engine];
  t.test(head, { skip: typeof start === 'string' && start }, async (t) => {
    if (typeof start === 'string') return;
    const column = await start();
    t.teardown(() => column.stop());
    const tries = triesOf(column);
    for (const [name, title] of Object.entries(promises) as [PromiseName, string][])
      await t.test(title, (t) => tries[name](t));
  });
}

/** The rows, for one engine; each goes on with the machine of the first. */
function triesOf(column: Column): Readonly<Record<PromiseName, (t: Test) => Promise<void>>> {
  const containers: TableContainer[] = [];
  const start = async (name: string, wanted: Wanted): Promise<TableContainer> => {
    const container = await column.start(name, wanted);
    containers.push(container);
    return container;
  };
  const logged = ({ log }: TableContainer, pattern: RegExp) =>
    waitFor(
      `${pattern} in the log`,
      async () => {
        const text = await log();
        return pattern.test(text) && text;
      },
      60,
    );
  let hello: TableContainer | undefined;
  const machine = () => {
    if (hello === undefined) throw new Error('it was not started');
    return hello;
  };
  return {
    async run(t) {
      const env = { SERVICE_NAME: 'hello', PORT: `${port}` };
      const started = await start('hello', { image: trackerImage, env, port });
      hello = started;
      t.ok(await waitFor('its QEMU', () => monitorOf(started.id).pid));
      t.ok(isRecorded(hello.id));
    },
    async log(t) {
      const text = await logged(machine(), /ready/);
      t.match(
        text,
        /^(ucrun: network: [^\n]*\n)?(hello: [^\n]*\n)+$/,
        'the console, and how ucrun reaches it',
      );
    },
    async port(t) {
      t.match(await firstAnswer(`http://${column.address}:${port}/`), /"name":"hello"/);
    },
    async plain(t) {
      const args = ['sh', '-c', 'cat /proc/sys/kernel/osrelease; exit 5'];
      const plain = await start('plain', { image: plainImage, args, isPlain: true });
      t.equal(await logged(plain, /\n/), `${release()}\n`, "it runs on the host's kernel");
      t.equal(isRecorded(plain.id), false);
      t.equal(await plain.exitCode(), 5);
    },
    async stats(t) {
      const bytes = await machine().memory();
      t.ok(bytes > 5e6 && bytes < 1e9, `${bytes} bytes`);
    },
    async stop(t) {
      await machine().stop();
      t.match(await logged(machine(), /power button/), /power button/);
      t.equal(await machine().exitCode(), 0);
    },
    async exit(t) {
      const env = { SERVICE_NAME: 'linux' };
      const linux = await start('linux', { image: trackerImage, env, args: ['sh', '-c', 'exit 42'] });
      t.equal(await linux.exitCode(), 42);
    },
    async delete(t) {
      const running = await start('running', { image: trackerImage, env: { SERVICE_NAME: 'hello' } });
      t.ok(isRecorded(running.id));
      for (const container of containers) {
        await container.remove();
        await nothingLeft(container.traces);
      }
    },
  };
}
