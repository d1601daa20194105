import { RuntimeError } from '../base/runtime-error.ts';
import { hasFlag, parseVerbArgs } from '../forward/command-line.ts';
import type { Call, ContainerCall } from './container.ts';
import { type PreparedSandbox, prepareSandbox } from './create.ts';
import { pressPowerButton } from './monitor.ts';
import { readRecord } from './record.ts';
import { removeState } from './remove-state.ts';
import type { UnikernelBundle } from './resolve-unikernel.ts';
import { prepareLaunch } from './start.ts';
import { pathsOf } from './state-dir.ts';

/** The hidden verb that crun's hook calls between create and start. */
export const prepareVerb = 'prepare';

/**
 * `run` for a unikernel container: crun's own run, with a last hook that does what `start` does once the network namespace is
 * there. We stay, since a signal means the power button, and what we keep must go when the container does.
 * @returns the guest's exit status, or that of a crun that failed
 */
export async function runContainer(call: ContainerCall, found: UnikernelBundle): Promise<number> {
  const isDetached = hasFlag(parseVerbArgs('run', call.line.verbArgs).options, 'detach', 'd');
  call.crun(); // searched for first: it may be missing
  const prepared = prepareSandbox(call, found, 'run', (hooks) => withPrepareHook(hooks, call));
  let status = 1;
  try {
    status = await runSandbox(call, prepared);
    return status;
  } finally {
    if (!isDetached || status !== 0) {
      removeState(call.paths, readRecord(call.paths));
    }
  }
}

/**
 * The hook's side, while the container is being created.
 * @param pid of the container's first process
 * @throws RuntimeError STATE_BROKEN if ucrun keeps no record of it
 * @see opencontainers/runtime-spec v1.2.0 config.md, "POSIX-platform Hooks", createRuntime
 */
export function prepareFromHook(call: Call, directory: string, pid: number): void {
  const paths = pathsOf(directory);
  const record = readRecord(paths);
  if (record === undefined)
    throw new RuntimeError('STATE_BROKEN', `no container is being created in "${directory}"`);
  prepareLaunch(call, paths, record, pid);
}

async function runSandbox(call: ContainerCall, { args }: PreparedSandbox): Promise<number> {
  const { execa } = await import('execa');
  const crun = execa(call.crun(), [...call.line.globalArgs, ...args], {
    stdio: 'inherit',
    env: call.env,
    extendEnv: false,
    reject: false,
    cleanup: false,
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) {
    process.on(signal, () => {
      const record = readRecord(call.paths);
      const pressed = record === undefined ? Promise.resolve() : pressPowerButton(call, record);
      void pressed.then(() => crun.kill('SIGTERM'));
    });
  }
  const { exitCode } = await crun;
  return exitCode ?? 1;
}

function withPrepareHook(hooks: unknown, { self, paths }: ContainerCall): unknown {
  const engineHooks = (hooks ?? {}) as { readonly createRuntime?: readonly unknown[] };
  const hook = { path: self, args: ['ucrun', prepareVerb, paths.directory] };
  return { ...engineHooks, createRuntime: [...(engineHooks.createRuntime ?? []), hook] };
}
