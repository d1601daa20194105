import { type CommandOptions, type Outcome, run } from './command.ts';
import { ucrun } from './environment.ts';
import { podman } from './podman.ts';

/** What the same tests need of podman and docker, whose commands are alike but for this. */
export interface Engine {
  readonly name: 'podman' | 'docker';
  /** The program and the environment of its command line, for {@link runOnTerminal}. */
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  /** The root directory of the system that the engine runs in, as the tests see it; by default their own. */
  readonly root?: string;
  /** Where crun keeps its state for this engine. */
  readonly crunRoot: string;
  /** Where ucrun keeps its own; by default as for root. */
  readonly stateRoot?: string;
  /** Where ucrun keeps the overlays of disks; by default where the environment's configuration says. */
  readonly overlayRoot?: string;
  /** Where ports are published. */
  readonly address: string;
  /** The options of `run` and `create` that choose ucrun. */
  readonly runtime: readonly string[];
  /** The same for a ucrun whose QEMU is given an argument that it refuses. */
  readonly brokenRuntime: readonly string[];
  /** Run a command of the engine's to its end. */
  call(args: readonly string[], options?: CommandOptions): Promise<Outcome>;
  /** Remove a container, running or not, known or not. */
  remove(name: string): Promise<void>;
}

/** @param brokenRuntime what {@link makeBrokenRuntime} made */
export function podmanEngine(brokenRuntime: string): Engine {
  return {
    name: 'podman',
    program: 'podman',
    env: {},
    crunRoot: '/run/crun',
    address: '127.0.0.1',
    runtime: [`--runtime=${ucrun}`],
    brokenRuntime: [`--runtime=${brokenRuntime}`],
    call: podman,
    async remove(name) {
      await podman(['rm', '--force', '--time', '0', '--ignore', name]);
    },
  };
}

/** Run an engine's command, which has to succeed. @returns what it printed, without the end of the line */
export async function outputOf(
  engine: Engine,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { status, stdout, stderr } = await engine.call(args, options);
  if (status === 0) return stdout.trimEnd();
  throw new Error(`exit status ${status}: ${engine.name} ${args.join(' ')}\n${stdout}${stderr}`);
}

/** ucrun, as the engine would call it. */
export function callRuntime(engine: Engine, ...args: readonly string[]): Promise<Outcome> {
  return run(ucrun, ['--root', engine.crunRoot, ...args]);
}
