import { release } from 'node:os';
import type { Test } from 'tap';
import { isRecorded } from '../container-processes.ts';
import { plainImage, trackerImage } from '../images.ts';
import { leftovers, nothingLeft, stateFolder } from '../leftovers.ts';
import { waitFor } from '../wait.ts';
import type { Column, TableContainer, Wanted } from './column.ts';
import { type PromiseName, promises, type TableEngine, tableEngines } from './promises.ts';

/** How to start an engine that has the images; a reason if that is not possible here. */
export type Start = string | ((t: Test) => Promise<Column>);

/**
 * Try all that the table promises of some of its engines.
 * @param port a port that is free where the engines publish theirs
 */
export function tryColumns(t: Test, port: number, columns: Partial<Record<TableEngine, Start>>): void {
  for (const [engine, start] of Object.entries(columns) as [TableEngine, Start][])
    t.test(tableEngines[engine], { skip: typeof start === 'string' && start }, async (t) => {
      if (typeof start === 'string') return;
      const column = await start(t);
      t.teardown(() => column.stop());
      const tries = triesOf(column, port);
      for (const [name, title] of Object.entries(promises) as [PromiseName, string][]) {
        const refusal = column.refuses?.[name];
        await t.test(title, (t) =>
          refusal === undefined ? tries[name](t) : t.rejects(tries[name](t), refusal, 'it is refused'),
        );
      }
    });
}

/** The rows, for one engine; each goes on with the machine of the first. */
function triesOf(column: Column, port: number): Readonly<Record<PromiseName, (t: Test) => Promise<void>>> {
  const containers: TableContainer[] = [];
  const start = async (name: string, wanted: Wanted): Promise<TableContainer> => {
    const container = await column.start(name, wanted);
    containers.push(container);
    return container;
  };
  const isUnikernel = ({ traces }: TableContainer) => isRecorded(traces.id, stateFolder(traces));
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
      t.ok(await waitFor('its QEMU', () => started.monitor()));
      t.ok(isUnikernel(started));
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
      t.match(await column.answer(port), /"name":"hello"/);
    },
    async plain(t) {
      const args = ['sh', '-c', 'cat /proc/sys/kernel/osrelease; exit 5'];
      const plain = await start('plain', { image: plainImage, args, isPlain: true });
      t.equal(await logged(plain, /\n/), `${release()}\n`, "it runs on the host's kernel");
      t.equal(isUnikernel(plain), false);
      t.equal(await plain.exitCode(), 5);
    },
    async stats(t) {
      const usage = await machine().usage();
      if ('bytes' in usage) t.ok(usage.bytes > 5e6 && usage.bytes < 1e9, `${usage.bytes} bytes`);
      else {
        const { cpuSeconds, monitorSeconds } = usage;
        const text = `${cpuSeconds} s, of which QEMU had ${monitorSeconds} s`;
        t.ok(cpuSeconds > 0.01 && cpuSeconds < 100 && cpuSeconds >= monitorSeconds, text);
      }
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
      t.ok(isUnikernel(running));
      t.ok(leftovers(running.traces).length > 3, 'what is looked for is there now');
      for (const container of containers) {
        await container.remove();
        await nothingLeft(container.traces);
      }
    },
  };
}
