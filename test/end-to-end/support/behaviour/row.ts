import t, { type Test } from 'tap';
import type { Engine } from '../engine.ts';

/** One promise that a container makes. */
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
export const helloAlone = { service: 'hello', options: ['--network', 'none'] } as const;

/** A Linux guest's command: without double quotes, which have no way to be written on its command line. */
export const shell = (script: string) => ['sh', '-c', script];

/** Whether the engine refused, and how. */
export async function refusal(engine: Engine, args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await engine.call(args);
  if (status === 0) throw new Error(`${engine.name} ${args.join(' ')} did not fail:\n${stdout}${stderr}`);
  return stderr;
}
