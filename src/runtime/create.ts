import { resolve } from 'node:path';
import { RuntimeError } from '../base/runtime-error.ts';
import { become } from '../forward/become.ts';
import { lastValue, parseVerbArgs, type WrittenOption, withoutOptions } from '../forward/command-line.ts';
import { makeNewDirectory, withUmask } from '../host/files.ts';
import { planNanosOverlay } from '../host/nanos-image.ts';
import { findProcessesWithArgument, runProgram } from '../host/processes.ts';
import { guests } from '../unikernel/guests/index.ts';
import { sandboxPaths } from '../unikernel/sandbox-paths.ts';
import { graceWithin } from '../unikernel/stop-grace.ts';
import type { ContainerCall } from './container.ts';
import { guestInput } from './guest-input.ts';
import { chooseMonitorUser } from './monitor-user.ts';
import { makeOverlays } from './overlays.ts';
import { type ContainerRecord, newRecord, readWholeRecord, writeRecord } from './record.ts';
import { removeState } from './remove-state.ts';
import {
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
 * `create` for a unikernel container: plan the machine, write the record and the sandbox's specification, and become crun, which
 * creates it. So whoever kills ucrun then kills crun, and no process of either is left. Prints nothing on stdout, which is the
 * container's log. If crun fails, the engine's `delete --force`, or the next `create` of this id, removes what was written.
 * @throws RuntimeError for everything that is wrong before crun is asked; then nothing is left
 */
export function createContainer(call: ContainerCall, found: UnikernelBundle): never {
  // Searched for first: it may be missing.
  const crun = call.crun();
  const { args } = prepareSandbox(call, found, 'create');
  return become(crun, [...call.line.globalArgs, ...args], withoutDescriptors(call.env));
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
  const { paths } = call;
  const options = parseVerbArgs(verb, call.line.verbArgs).options;
  if (Number(lastValue(options, 'preserve-fds') ?? 0) > 0) {
    throw new RuntimeError('USAGE', 'file descriptors (--preserve-fds) cannot be given to a unikernel', {
      hint: 'run it without that option; a guest is reached through its console and its network',
    });
  }
  const unikernel = resolveUnikernel(call, found);
  checkGuest(unikernel, found);
  // The monitor's user has to pass through what is made here, and to read it, whatever umask the engine has.
  return withUmask(0o022, () => {
    claimDirectory(call);
    try {
      const monitor = chooseMonitorUser(call, found.spec, touchesVolumes(unikernel));
      const disks = overlaysOf(call, unikernel);
      const uid = { container: monitor.user.uid, host: monitor.hostUid };
      const record = planRecord(call, found, unikernel, {
        uid,
        gid: monitor.user.gid,
        disks,
        pidFile: pidFileOf(call, options),
      });
      writeRecord(paths, record);
      makeOverlays(call, record);
      writeSandbox(call, found, unikernel, record, monitor.user, changeHooks);
      return { record, args: sandboxArgs(call, verb, record) };
    } catch (error) {
      removeState(paths, undefined);
      throw error;
    }
  });
}

/** What cannot be said to the guest is known now, though its address is not. @throws RuntimeError GUEST_UNSUPPORTED */
function checkGuest(unikernel: ResolvedUnikernel, found: UnikernelBundle): void {
  const input = { ...guestInput(unikernel, found), network: undefined };
  const support = guests[unikernel.definition.guest];
  support.commandLine(input);
  if (support.settingsIn === 'nanos-image')
    planNanosOverlay(
      unikernel.disks.map((base) => ({ base })),
      sandboxPaths.base(0),
      input,
    );
}

/** Whether the monitor reads or writes files that are the user's, not the unikernel's. */
function touchesVolumes({ volumes, root }: ResolvedUnikernel): boolean {
  return volumes.length > 0 || root !== undefined;
}

function overlaysOf({ paths }: ContainerCall, { disks }: ResolvedUnikernel): ContainerRecord['disks'] {
  return disks.map((base, index) => ({ base, overlay: `${paths.overlays}/disk${index}.qcow2` }));
}

/** @throws RuntimeError CONTAINER_EXISTS, unless what is there is of a create that failed in crun */
function claimDirectory(call: ContainerCall): void {
  const { paths, id, line, env, crun } = call;
  if (makeNewDirectory(paths.directory, 0o711)) return;
  const isKnownToCrun = runProgram(crun(), [...line.globalArgs, 'state', id], { env }).status === 0;
  const isBeingCreated = findProcessesWithArgument(paths.sandboxConfig).length > 0;
  if (!isKnownToCrun && !isBeingCreated) {
    // It may have been started, and have taps in a namespace that is still there.
    removeState(paths, readWholeRecord(call));
    if (makeNewDirectory(paths.directory, 0o711)) return;
  }
  throw new RuntimeError('CONTAINER_EXISTS', `container "${id}" already exists`, {
    hint: 'choose another id, or remove the container with "delete --force"',
  });
}

/** The engine's choice, or ours if it made none. */
function pidFileOf({ paths }: ContainerCall, options: readonly WrittenOption[]): string {
  return resolve(lastValue(options, 'pid-file') ?? `${paths.directory}/pid`);
}

function planRecord(
  call: ContainerCall,
  found: UnikernelBundle,
  unikernel: ResolvedUnikernel,
  chosen: Pick<ContainerRecord, 'uid' | 'gid' | 'disks' | 'pidFile'>,
): ContainerRecord {
  const { machine, network } = unikernel;
  return newRecord({
    id: call.id,
    bundle: found.bundle,
    rootfs: rootfsOf(found),
    annotations: found.spec.annotations,
    unikernel: found.source.kind === 'registry' ? found.source.name : undefined,
    machine,
    graceMs: machine.powerButton ? graceWithin(call.config.stop.graceMs, found.spec.annotations) : 0,
    hasScope: call.line.globals.usesSystemd,
    guest: guestInput(unikernel, found),
    network,
    ...chosen,
  });
}

/** crun's command line: the engine's, with our specification in the place of the one in its bundle. */
function sandboxArgs(
  call: ContainerCall,
  verb: 'create' | 'run',
  record: ContainerRecord,
): readonly string[] {
  const replaced = ['bundle', 'b', 'config', 'f', 'pid-file', 'preserve-fds'];
  const kept = withoutOptions(verb, call.line.verbArgs, replaced);
  const { bundle, pidFile } = record;
  return [verb, '--bundle', bundle, '--config', call.paths.sandboxConfig, '--pid-file', pidFile, ...kept];
}

/** Sockets of an activating systemd are not for the monitor. */
function withoutDescriptors(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { LISTEN_FDS: _fds, LISTEN_PID: _pid, LISTEN_FDNAMES: _names, ...rest } = env;
  return rest;
}
