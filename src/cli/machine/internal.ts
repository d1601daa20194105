import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { RuntimeError } from '../../base/runtime-error.ts';
import { become } from '../../forward/become.ts';
import { exists } from '../../host/files.ts';
import { processStartTime } from '../../host/processes.ts';
import { awaitGuest, awaitStation } from '../../machine/await-guest.ts';
import { bringDown } from '../../machine/bring-down.ts';
import { noteChange } from '../../machine/changes.ts';
import { readGuestExit, recordEnd } from '../../machine/ended.ts';
import { machineFiles, machinePlaces, type Scope } from '../../machine/places.ts';
import { prepareMachine } from '../../machine/prepare.ts';
import { isAttached, markOwn } from '../../machine/run-state.ts';
import { parseSignal } from '../../unikernel/signals.ts';
import { asRuntimeError } from '../report-error.ts';
import { machineContext } from './context.ts';

/**
 * Answer a command below `machine` that units and scripts of ucrun's call, and nobody else.
 * @returns the exit status
 * @throws RuntimeError
 */
export async function answerInternal(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [command, ...operands] = args;
  if (command === 'await') {
    const [address = '', port, guestPort, run = ''] = operands;
    if (guestPort === undefined) await awaitStation(address, Number(port));
    else await awaitGuest(address, Number(port), Number(guestPort), run);
    return 0;
  }
  const [option = '', name = '', status] = operands;
  const scope: Scope = option === '--user' ? 'user' : 'system';
  if (!/^--(?:user|system)$/.test(option) || !/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)) {
    throw new RuntimeError('USAGE', `"machine ${command}" is for the units that ucrun writes`, {
      hint: 'ucrun machine --help lists the commands for people',
    });
  }
  switch (command) {
    case 'exec':
      return becomeMachine(scope, name, env);
    case 'prepare':
      return await prepareForUnit(scope, name, env);
    case 'powerdown':
      return await powerDown(scope, name, env);
    default:
      return status === undefined
        ? await endedInUnit(scope, name, env)
        : await endedByItself(scope, name, Number(status), env);
  }
}

/** The unit's main process: the script that becomes QEMU. Nothing is read but what was prepared, as this is the unit's own user. */
function becomeMachine(scope: Scope, name: string, env: NodeJS.ProcessEnv): never {
  const { launch } = machineFiles(machinePlaces(scope, env, process.geteuid?.() ?? 0), name);
  const kept = ['PATH', 'NOTIFY_SOCKET', 'LANG', 'XDG_RUNTIME_DIR'];
  return become(
    '/bin/sh',
    [launch],
    Object.fromEntries(kept.flatMap((key) => (env[key] === undefined ? [] : [[key, env[key]]]))),
  );
}

async function prepareForUnit(scope: Scope, name: string, env: NodeJS.ProcessEnv): Promise<number> {
  const { host, machines } = await machineContext(env, { [scope]: true });
  const { store } = machines;
  const files = store.files(name);
  const started = new Date().toISOString();
  try {
    // systemd has made the directory, and given it to the unit's user.
    const uid = host.isRoot ? statSync(files.qemu).uid : undefined;
    await store.change(name, (record) => {
      prepareMachine(host, record, files, { started, uid, notifies: true });
      const restarts = record.lastRun?.restarts ?? 0;
      const lastRun = { started, ended: undefined, exitStatus: undefined, problem: undefined, restarts };
      return { ...record, lastRun };
    });
    noteChange(files, { time: started, started, status: 'starting' });
    return 0;
  } catch (error) {
    const problem = asRuntimeError(error)?.message ?? String(error);
    const ended = new Date().toISOString();
    await store.change(name, (record) => ({
      ...record,
      lastRun: { started, ended, exitStatus: 125, problem, restarts: 0 },
    }));
    noteChange(files, { time: ended, started, status: 'exited', exitStatus: 125, problem });
    throw error;
  }
}

async function powerDown(scope: Scope, name: string, env: NodeJS.ProcessEnv): Promise<number> {
  const { machines } = await machineContext(env, { [scope]: true });
  const record = machines.store.read(name);
  const files = machines.store.files(name);
  const pid = Number(env.MAINPID ?? 0);
  const startTime = pid > 0 ? processStartTime(pid) : undefined;
  if (startTime === undefined) return 0;
  const graceMs = record.plan.powerButton ? machines.qemu.graceMs(record) : 0;
  await bringDown(files, { pid, startTime }, graceMs);
  return 0;
}

/** After the unit's main process. A guest's failure that QEMU's status does not show becomes this command's, and so the unit's. */
async function endedInUnit(scope: Scope, name: string, env: NodeJS.ProcessEnv): Promise<number> {
  const { machines } = await machineContext(env, { [scope]: true });
  const { store } = machines;
  const files = store.files(name);
  if (!exists(files.state)) {
    // It was not even prepared, and why is written down.
    const { exitStatus, problem } = store.read(name).lastRun ?? {};
    if (exitStatus === 125 && problem !== undefined) sayStatus(`${problem} (status ${exitStatus})`, env);
    return 0;
  }
  const wasStopped = exists(files.stopping);
  const exit = readGuestExit(files, unitStatus(env));
  const record = await recordEnd(store, name, exit);
  const { status, problem } = exit;
  if (problem !== undefined) process.stderr.write(`ucrun: ${problem}\n`);
  sayStatus(
    problem === undefined ? `the guest ended with status ${status}` : `${problem} (status ${status})`,
    env,
  );
  if (record.settings.autoRemove && !isAttached(files)) removeLater(scope, name, env);
  const isAsked = wasStopped && status === 143;
  return isAsked ? 0 : status;
}

/** The words of the unit's StatusText. @see sd_notify(3) */
function sayStatus(words: string, env: NodeJS.ProcessEnv): void {
  if (env.NOTIFY_SOCKET === undefined) return;
  spawnSync('systemd-notify', [`--status=${words}`], { env: { ...env }, stdio: 'ignore' });
}

/** @see systemd.exec(5), $EXIT_CODE and $EXIT_STATUS */
function unitStatus({ EXIT_CODE: code, EXIT_STATUS: status }: NodeJS.ProcessEnv): number | undefined {
  if (code === undefined || status === undefined) return undefined;
  if (code === 'exited') return Number(status);
  return 128 + (parseSignal(status) ?? 0);
}

/** A unit cannot take itself away while it ends. */
function removeLater(scope: Scope, name: string, env: NodeJS.ProcessEnv): void {
  const user = scope === 'user' ? ['--user'] : [];
  const command = [process.execPath, 'machine', 'rm', `--${scope}`, '--force', name];
  spawnSync('systemd-run', [...user, '--collect', '--no-block', '--quiet', '--', ...command], {
    env,
    stdio: 'ignore',
  });
}

/** A machine without a unit: its wrapper has become this. */
async function endedByItself(
  scope: Scope,
  name: string,
  qemuStatus: number,
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const { machines } = await machineContext(env, { [scope]: true });
  const { store, qemu } = machines;
  const files = store.files(name);
  const wasStopped = exists(files.stopping);
  const { settings, lastRun } = await qemu.ended(name, qemuStatus);
  const { policy, retries, delayMs } = settings.restart;
  const restarts = lastRun?.restarts ?? 0;
  const isWanted = policy === 'always' || (policy === 'on-failure' && lastRun?.exitStatus !== 0);
  if (!wasStopped && isWanted && (retries === undefined || restarts < retries)) {
    markOwn(files.restarting);
    noteChange(files, {
      started: lastRun?.started,
      status: 'restarting',
      exitStatus: lastRun?.exitStatus,
      problem: lastRun?.problem,
    });
    await delay(delayMs);
    // Somebody may have started, stopped or removed it meanwhile.
    if (!exists(files.restarting) || exists(files.state)) return 0;
    await qemu.start(name, restarts + 1);
    return 0;
  }
  if (settings.autoRemove && !isAttached(files)) await qemu.delete(name);
  return 0;
}
