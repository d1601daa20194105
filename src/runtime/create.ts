import { readFileSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import { lastValue, parseVerbArgs, withoutOptions } from '../forward/command-line.ts';
import { makeNewDirectory } from '../host/files.ts';
import { processStartTime, runInPlace } from '../host/processes.ts';
import type { ContainerCall } from './container.ts';
import { guestEnvironment } from './guest-environment.ts';
import { chooseMonitorUid } from './monitor-user.ts';
import { type ContainerRecord, newRecord, writeRecord } from './record.ts';
import { removeState } from './remove-state.ts';
import {
  guestArgs,
  type ResolvedUnikernel,
  resolveUnikernel,
  rootfsOf,
  type UnikernelBundle,
} from './resolve-unikernel.ts';
import { writeSandbox } from './write-sandbox.ts';

/** What {@link prepareSandbox} leaves for crun. */
export interface PreparedSandbox {
  readonly record: ContainerRecord;
  /** crun's arguments from its verb on. */
  readonly args: readonly string[];
}

/**
 * `create` for a unikernel container: plan the machine, write the record and the sandbox's specification, let crun create it.
 * Prints nothing on stdout, which is the container's log. A failure leaves nothing behind.
 * @returns the exit status; if it is not 0, crun has said why
 * @throws RuntimeError for everything that is wrong before crun is asked
 */
export function createContainer(call: ContainerCall, found: UnikernelBundle): number {
  const { record, args } = prepareSandbox(call, found, 'create');
  let status = 1;
  try {
    status = runInPlace(call.crun(), [...call.line.globalArgs, ...args], withoutDescriptors(call.env));
    if (status === 0) writeRecord(call.paths, { ...record, init: readInit(call, args) });
    return status;
  } finally {
    if (status !== 0) removeState(call.paths, record);
  }
}

/**
 * Write the record and the sandbox's specification for `create` or `run`; if that fails, nothing of it stays.
 * @param changeHooks what to do with the specification's hooks
 * @throws RuntimeError
 */
export function prepareSandbox(
  call: ContainerCall,
  found: UnikernelBundle,
  verb: 'create' | 'run',
  changeHooks?: (hooks: unknown) => unknown,
): PreparedSandbox {
  const { paths, id } = call;
  const options = parseVerbArgs(verb, call.line.verbArgs).options;
  if (Number(lastValue(options, 'preserve-fds') ?? 0) > 0) {
    throw new RuntimeError('USAGE', 'file descriptors (--preserve-fds) cannot be given to a unikernel');
  }
  const unikernel = resolveUnikernel(call, found);
  if (!makeNewDirectory(paths.directory, 0o711)) {
    throw new RuntimeError('CONTAINER_EXISTS', `container "${id}" already exists`, {
      hint: 'choose another id, or remove the container with "delete --force"',
    });
  }
  try {
    const record = planRecord(call, found, unikernel);
    writeRecord(paths, record);
    writeSandbox(call, found, unikernel, record, changeHooks);
    return { record, args: sandboxArgs(call, verb, found.bundle) };
  } catch (error) {
    removeState(paths, undefined);
    throw error;
  }
}

function planRecord(
  call: ContainerCall,
  found: UnikernelBundle,
  unikernel: ResolvedUnikernel,
): ContainerRecord {
  const { machine, definition, ports, network } = unikernel;
  return newRecord({
    id: call.id,
    bundle: found.bundle,
    rootfs: rootfsOf(found),
    annotations: found.spec.annotations,
    machine,
    graceMs: machine.powerButton ? call.config.stop.graceMs : 0,
    guest: {
      cmdline: definition.cmdline,
      args: guestArgs(found),
      env: guestEnvironment(found.spec.env),
      hostname: found.spec.hostname,
      port: ports[0]?.guest,
    },
    network,
    uid: chooseMonitorUid(call, found.spec),
  });
}

/** crun's command line: the engine's, with our specification in the place of the one in its bundle. */
function sandboxArgs(call: ContainerCall, verb: 'create' | 'run', bundle: string): readonly string[] {
  const kept = withoutOptions(verb, call.line.verbArgs, ['bundle', 'b', 'config', 'f', 'preserve-fds']);
  const pidFile =
    lastValue(parseVerbArgs(verb, kept).options, 'pid-file') === undefined
      ? ['--pid-file', `${call.paths.directory}/pid`]
      : [];
  return [verb, '--bundle', bundle, '--config', call.paths.sandboxConfig, ...pidFile, ...kept];
}

function readInit(call: ContainerCall, args: readonly string[]): ContainerRecord['init'] {
  const pidFile = lastValue(parseVerbArgs('create', args.slice(1)).options, 'pid-file') as string;
  const pid = Number(readFileSync(pidFile, 'utf8'));
  const startTime = processStartTime(pid);
  call.log('sandbox created', { pid, startTime });
  return startTime === undefined ? undefined : { pid, startTime };
}

/** Sockets of an activating systemd are not for the monitor. */
function withoutDescriptors(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { LISTEN_FDS: _fds, LISTEN_PID: _pid, LISTEN_FDNAMES: _names, ...rest } = env;
  return rest;
}
