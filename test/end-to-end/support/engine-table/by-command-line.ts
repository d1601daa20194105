import { type Engine, outputOf } from '../engine.ts';
import { logOf, monitorOf, tracesOf } from '../engine-guests.ts';
import { firstAnswer } from '../http.ts';
import type { Column, Usage } from './column.ts';

/** What is not the same for all podmans and dockers. */
export interface CommandLineColumn {
  readonly refuses?: Column['refuses'];
  /** By default the engine's address is asked. */
  readonly answer?: Column['answer'];
  readonly usage?: (name: string) => Promise<Usage>;
  /** End the engine; by default there is nothing to end. */
  readonly stop?: () => Promise<void>;
}

/** podman and docker. */
export function commandLineColumn(engine: Engine, special: CommandLineColumn = {}): Column {
  const { usage = (name) => memoryUsage(engine, name) } = special;
  return {
    refuses: special.refuses ?? {},
    answer: special.answer ?? ((port) => firstAnswer(`http://${engine.address}:${port}/`)),
    async start(name, { image, env = {}, args = [], port }) {
      const variables = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
      const ports = port === undefined ? ['--network', 'none'] : ['--publish', `${port}:${port}`];
      const options = [...engine.runtime, '--name', name, ...variables, ...ports];
      await outputOf(engine, ['run', '--detach', ...options, image, ...args]);
      return {
        traces: await tracesOf(engine, name),
        monitor: () => monitorOf(engine, name),
        log: () => logOf(engine, name),
        usage: () => usage(name),
        async stop() {
          await outputOf(engine, ['stop', name]);
        },
        exitCode: async () => Number(await outputOf(engine, ['wait', name])),
        remove: () => engine.remove(name),
      };
    },
    stop: special.stop ?? (() => Promise.resolve()),
  };
}

async function memoryUsage(engine: Engine, name: string): Promise<Usage> {
  const shown = await outputOf(engine, ['stats', '--no-stream', '--format', '{{.MemUsage}}', name]);
  // docker means powers of 1024, podman of 1000; which makes no difference here.
  const [, digits, unit = ''] = /^([\d.]+)([kMG]?)i?B/.exec(shown) ?? [];
  if (digits === undefined) throw new Error(`no memory usage: ${shown}`);
  return { bytes: Number(digits) * 1000 ** ['', 'k', 'M', 'G'].indexOf(unit) };
}
