import { type Engine, outputOf } from '../engine.ts';
import { logOf, tracesOf } from '../engine-guests.ts';
import type { Column } from './column.ts';

/** podman and docker. */
export function commandLineColumn(engine: Engine, stop: () => Promise<void>): Column {
  return {
    engine: engine.name,
    address: engine.address,
    async start(name, { image, env = {}, args = [], port }) {
      const variables = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
      const ports = port === undefined ? ['--network', 'none'] : ['--publish', `${port}:${port}`];
      const options = [...engine.runtime, '--name', name, ...variables, ...ports];
      await outputOf(engine, ['run', '--detach', ...options, image, ...args]);
      const traces = await tracesOf(engine, name);
      return {
        id: traces.id,
        traces,
        log: () => logOf(engine, name),
        async memory() {
          const usage = await outputOf(engine, ['stats', '--no-stream', '--format', '{{.MemUsage}}', name]);
          return bytesOf(usage);
        },
        async stop() {
          await outputOf(engine, ['stop', name]);
        },
        exitCode: async () => Number(await outputOf(engine, ['wait', name])),
        remove: () => engine.remove(name),
      };
    },
    stop,
  };
}

/** docker means powers of 1024, podman of 1000; which makes no difference here. */
function bytesOf(usage: string): number {
  const [, digits, unit = ''] = /^([\d.]+)([kMG]?)i?B/.exec(usage) ?? [];
  if (digits === undefined) throw new Error(`no memory usage: ${usage}`);
  return Number(digits) * 1000 ** ['', 'k', 'M', 'G'].indexOf(unit);
}
