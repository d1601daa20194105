import { spawn } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { RuntimeError } from '../base/runtime-error.ts';
import { exists, makeDirectory, readTextIfThere, writeFileAtomic } from '../host/files.ts';
import { qmpCommand, qmpReturn } from '../host/qmp.ts';
import { findTool } from '../host/tools.ts';
import { guests } from '../unikernel/guests/index.ts';
import type { PortMapping } from '../unikernel/ports.ts';
import { bringDown } from './bring-down.ts';
import { noteChange } from './changes.ts';
import { readConsoleLog } from './console-log.ts';
import { needsLowPorts } from './device-access.ts';
import { readGuestExit, recordEnd } from './ended.ts';
import { isPaused } from './history.ts';
import type { MachineHost } from './host.ts';
import { becomeUser, chooseMachineUser, releaseMachineUser } from './monitor-user.ts';
import { leaveBridges, planMachineNetwork, refusePorts, requireOwnAddresses } from './network.ts';
import type { MachineFiles } from './places.ts';
import { prepareMachine } from './prepare.ts';
import { type MachineRecord, type MachineSettings, recordVersion } from './record.ts';
import { type ResolvedMachine, resolveMachine, sizesOf } from './resolve.ts';
import {
  hasWrapper,
  isReady,
  isRestarting,
  isThere,
  type MachineProcess,
  qmpPlace,
  readProcess,
  readRunState,
} from './run-state.ts';
import { scopeCommand } from './scope.ts';
import {
  describeMachine,
  type LogLine,
  type LogOptions,
  type Machine,
  type MachineChanges,
  type MachineEvent,
  type MachineService,
  type MachineSpec,
  type StopOptions,
  type UpdateResult,
} from './service.ts';
import { isBroken, type MachineStore } from './store.ts';
import { changeSettings, describeChanges } from './update.ts';
import { watchMachines } from './watch.ts';
import { renderWrapper } from './wrapper-script.ts';

const qmpTimeoutMs = 5000;
const pollMs = 20;
/** Emulation on a host that is busy with other things. */
const startTimeoutMs = 90_000;
/** QEMU is gone, and what remains is to write that down. */
const recordTimeoutMs = 30_000;

/** Machines whose QEMU runs in the background by itself, and is spoken to over QMP. */
export class QemuMachineService implements MachineService {
  readonly #host: MachineHost;
  readonly #store: MachineStore;

  constructor(host: MachineHost, store: MachineStore) {
    this.#host = host;
    this.#store = store;
  }

  async create({ name, manager, source, settings, fill }: MachineSpec): Promise<Machine> {
    const record = await this.#store.create(name, async (files) => {
      if (fill !== undefined) {
        makeDirectory(files.registry, 0o755);
        await fill(files.registry);
      }
      const others = this.#store.readAll().flatMap((found) => (isBroken(found) ? [] : [found]));
      requireOwnAddresses(settings.network, others);
      const machine = resolveMachine(this.#host, { name, source, settings }, files);
      // What cannot be said to the guest is known now, and where it is on a bridge its network as well.
      const network = planMachineNetwork(this.#host, { name, settings }, machine, machine.ports);
      const told = network.kind === 'tap' ? network.guest : undefined;
      guests[machine.plan.guest].commandLine({ ...machine.input, network: told });
      return {
        version: recordVersion,
        name,
        created: new Date().toISOString(),
        manager,
        source,
        settings: withReadyPort(settings, machine.ports),
        plan: sizesOf(machine),
        lastRun: undefined,
      };
    });
    return this.#describe(record);
  }

  /** @param restarts how often it was started again without anybody asking */
  async start(name: string, restarts = 0): Promise<Machine> {
    const files = this.#store.files(name);
    const child = await this.#store.lock(name, async () => {
      const record = this.#store.read(name);
      if (this.#process(files) !== undefined) throw isRunning(name);
      rmSync(files.run, { recursive: true, force: true });
      rmSync(files.restarting, { force: true });
      releaseMachineUser(this.#host, files);
      try {
        return await this.#launch(record, files, restarts);
      } catch (error) {
        leaveBridges(this.#store.places, name);
        releaseMachineUser(this.#host, files);
        rmSync(files.run, { recursive: true, force: true });
        throw error;
      }
    });
    await this.#untilReady(name, files, child);
    return await this.get(name);
  }

  async pause(name: string): Promise<Machine> {
    const { files } = this.#running(name);
    if (!(await qmpCommand(qmpPlace(files), 'stop', qmpTimeoutMs))) throw isSilent(name);
    await untilSeen(() => isPaused(files));
    return await this.get(name);
  }

  async resume(name: string): Promise<Machine> {
    const { files } = this.#running(name);
    if (!(await qmpCommand(qmpPlace(files), 'cont', qmpTimeoutMs))) throw isSilent(name);
    await untilSeen(() => !isPaused(files));
    return await this.get(name);
  }

  async stop(name: string, { timeoutMs }: StopOptions = {}): Promise<Machine> {
    const record = this.#store.read(name);
    const files = this.#store.files(name);
    // Whoever waits to start it again finds that it is not to be.
    rmSync(files.restarting, { force: true });
    const qemu = this.#process(files);
    if (qemu !== undefined) {
      const graceMs = record.plan.powerButton ? (timeoutMs ?? this.graceMs(record)) : 0;
      await bringDown(files, qemu, graceMs);
    }
    await this.#untilRecorded(name, files);
    return await this.get(name);
  }

  /** How long a machine's guest may take to end. */
  graceMs({ settings }: MachineRecord): number {
    return settings.stopTimeoutMs ?? this.#host.config.stop.graceMs;
  }

  async update(name: string, changes: MachineChanges): Promise<UpdateResult> {
    const before = this.#store.read(name);
    const files = this.#store.files(name);
    let machine: ResolvedMachine | undefined;
    const after = await this.#store.change(name, (record) => {
      if (changes.ports !== undefined) refusePorts(record);
      const settings = changeSettings(record.settings, changes);
      machine = resolveMachine(this.#host, { ...record, settings }, files);
      return { ...record, settings, plan: sizesOf(machine) };
    });
    const isBalloonSet = await this.#setBalloon(before, after, files);
    return describeChanges(before, after, { isRunning: this.#process(files) !== undefined, isBalloonSet });
  }

  async delete(name: string, { force = false } = {}): Promise<void> {
    const files = this.#store.files(name);
    const isKnown = exists(files.record);
    if (!isKnown) this.#store.read(name);
    if (this.#process(files) !== undefined) {
      if (!force) {
        throw new RuntimeError('MACHINE_STATE', `machine "${name}" is running`, {
          hint: 'stop it first, or remove it with --force',
        });
      }
      await this.stop(name);
    }
    await this.#store.remove(name);
    leaveBridges(this.#store.places, name);
    releaseMachineUser(this.#host, files);
  }

  async get(name: string): Promise<Machine> {
    return this.#describe(this.#store.read(name));
  }

  async list(): Promise<readonly Machine[]> {
    return this.#store.readAll().flatMap((found) => (isBroken(found) ? [] : [this.#describe(found)]));
  }

  watch({ signal }: { readonly signal: AbortSignal }): AsyncIterable<MachineEvent> {
    return watchMachines({ store: this.#store, list: () => this.list(), news: undefined, signal });
  }

  async *logs(name: string, options: LogOptions): AsyncIterable<LogLine> {
    this.#store.read(name);
    const files = this.#store.files(name);
    yield* readConsoleLog(files.log, options, () => !exists(files.state));
  }

  async setEnabled(name: string): Promise<void> {
    this.#store.read(name);
    throw new RuntimeError(
      'MACHINE_STATE',
      `machine "${name}" is not kept by systemd, which starts machines at boot`,
      {
        hint: 'create it with --systemd',
      },
    );
  }

  /** Write down how a machine's QEMU ended, and what follows of that. */
  async ended(name: string, qemuStatus: number): Promise<MachineRecord> {
    const files = this.#store.files(name);
    const record = await recordEnd(this.#store, name, readGuestExit(files, qemuStatus));
    releaseMachineUser(this.#host, files);
    return record;
  }

  /** @returns the process that becomes the machine's wrapper */
  async #launch(record: MachineRecord, files: MachineFiles, restarts: number): Promise<Wrapper> {
    const { env, self } = this.#host;
    const uid = chooseMachineUser(this.#host, record, files);
    const started = new Date().toISOString();
    const machine = prepareMachine(this.#host, record, files, { started, uid, notifies: false });
    const become = uid === undefined ? [] : becomeUser(uid, needsLowPorts(machine.ports));
    const scope = this.#host.places.scope;
    writeFileAtomic(
      files.wrapper,
      renderWrapper({ files, become, ended: [self, 'machine', 'ended', `--${scope}`, record.name] }),
      0o700,
    );
    this.#store.write({
      ...record,
      plan: sizesOf(machine),
      lastRun: { started, ended: undefined, exitStatus: undefined, problem: undefined, restarts },
    });
    noteChange(files, { time: started, started, status: 'starting' });
    const shell = findTool('bash', env.PATH) ?? '/bin/sh';
    return spawnWrapper(
      [...scopeCommand(this.#host, record), shell, files.wrapper],
      `${files.run}/wrapper.err`,
      env,
    );
  }

  async #untilReady(name: string, files: MachineFiles, wrapper: Wrapper): Promise<void> {
    const deadline = performance.now() + startTimeoutMs;
    for (;;) {
      if (isReady(files)) return;
      const hasEnded = wrapper.hasEnded();
      if (!exists(files.state)) {
        const { lastRun } = this.#store.read(name);
        // A guest that was quick has run all the same.
        if (lastRun?.exitStatus !== undefined && lastRun.exitStatus !== 125) return;
        throw failed(name, lastRun?.problem);
      }
      if (hasEnded && readProcess(files) === undefined) {
        const words = readTextIfThere(`${files.run}/wrapper.err`)?.trim().split('\n').at(-1);
        await this.ended(name, 127);
        throw failed(name, words);
      }
      if (performance.now() > deadline) {
        await this.stop(name, { timeoutMs: 0 });
        throw failed(name, `it was not ready after ${startTimeoutMs / 1000} seconds`);
      }
      await delay(pollMs);
    }
  }

  /** What a wrapper that was killed could not write down is written down here. */
  async #untilRecorded(name: string, files: MachineFiles): Promise<void> {
    const deadline = performance.now() + recordTimeoutMs;
    while (exists(files.state)) {
      if (!hasWrapper(files) || performance.now() > deadline) {
        if (!exists(files.state)) return;
        await this.ended(name, 137);
        return;
      }
      await delay(pollMs);
    }
  }

  async #setBalloon(before: MachineRecord, after: MachineRecord, files: MachineFiles): Promise<boolean> {
    if (before.plan.memoryMiB === after.plan.memoryMiB || this.#process(files) === undefined) return false;
    if (!guests[after.plan.guest].hasBalloon) return false;
    const command = { execute: 'balloon', arguments: { value: after.plan.memoryMiB * 1024 * 1024 } };
    return (await qmpReturn(qmpPlace(files), command, qmpTimeoutMs)) !== undefined;
  }

  #running(name: string): { readonly files: MachineFiles } {
    this.#store.read(name);
    const files = this.#store.files(name);
    if (this.#process(files) !== undefined) return { files };
    throw new RuntimeError('MACHINE_STATE', `machine "${name}" is not running`, {
      hint: `start it with "ucrun machine start ${name}"`,
    });
  }

  /** QEMU's process, if it is there. */
  #process(files: MachineFiles): MachineProcess | undefined {
    const qemu = readProcess(files);
    return qemu !== undefined && isThere(qemu) ? qemu : undefined;
  }

  #describe(record: MachineRecord): Machine {
    const files = this.#store.files(record.name);
    const state = readRunState(files);
    const qemu = this.#process(files);
    const isEnabled = false;
    if (qemu !== undefined) {
      const status = exists(files.stopping)
        ? 'stopping'
        : isPaused(files)
          ? 'paused'
          : isReady(files)
            ? 'running'
            : 'starting';
      return describeMachine(record, { status, pid: qemu.pid, isEnabled, started: state?.started });
    }
    if (state !== undefined && readProcess(files) === undefined)
      return describeMachine(record, {
        status: 'starting',
        pid: undefined,
        isEnabled,
        started: state.started,
      });
    if (state !== undefined && hasWrapper(files))
      return describeMachine(record, { status: 'stopping', pid: undefined, isEnabled });
    if (isRestarting(files))
      return describeMachine(record, { status: 'restarting', pid: undefined, isEnabled });
    const status = record.lastRun === undefined ? 'created' : 'exited';
    return describeMachine(record, { status, pid: undefined, isEnabled });
  }
}

/** The shell beside QEMU writes down what QEMU has done by now. */
async function untilSeen(isSeen: () => boolean): Promise<void> {
  const deadline = performance.now() + qmpTimeoutMs;
  while (!isSeen() && performance.now() < deadline) await delay(pollMs);
}

interface Wrapper {
  readonly hasEnded: () => boolean;
}

function spawnWrapper(command: readonly string[], errors: string, env: NodeJS.ProcessEnv): Wrapper {
  const [program = '', ...args] = command;
  const stderr = openSync(errors, 'w', 0o600);
  try {
    const kept = [
      'PATH',
      'HOME',
      'XDG_RUNTIME_DIR',
      'XDG_DATA_HOME',
      'XDG_CONFIG_HOME',
      'DBUS_SESSION_BUS_ADDRESS',
      'UCRUN_CONFIG',
    ];
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', 'ignore', stderr],
      cwd: '/',
      env: Object.fromEntries(kept.flatMap((key) => (env[key] === undefined ? [] : [[key, env[key]]]))),
    });
    let hasEnded = false;
    child.once('exit', () => {
      hasEnded = true;
    });
    child.once('error', () => {
      hasEnded = true;
    });
    child.unref();
    return { hasEnded: () => hasEnded };
  } finally {
    closeSync(stderr);
  }
}

function isRunning(name: string): RuntimeError {
  return new RuntimeError('MACHINE_STATE', `machine "${name}" is running already`);
}

function isSilent(name: string): RuntimeError {
  return new RuntimeError('MACHINE_FAILED', `the QEMU of machine "${name}" does not answer`, {
    hint: 'stop the machine with "ucrun machine stop"',
  });
}

/**
 * The first connection has to find a guest that answers, so a machine that is started by it has started when that is so.
 * @throws RuntimeError PORT_INVALID
 */
function withReadyPort(settings: MachineSettings, ports: readonly PortMapping[]): MachineSettings {
  if (settings.activation === undefined) return settings;
  const [port, ...more] = ports.filter(({ protocol }) => protocol === 'tcp');
  if (port !== undefined && more.length === 0)
    return { ...settings, readyPort: settings.readyPort ?? port.guest };
  throw new RuntimeError(
    'PORT_INVALID',
    `a machine that a connection starts has one TCP port, not ${port === undefined ? 'none' : more.length + 1}`,
    { hint: 'name it with --port OUTSIDE:GUEST' },
  );
}

/** A machine that did not come up. */
export function failed(name: string, problem: string | undefined): RuntimeError {
  return new RuntimeError(
    'MACHINE_FAILED',
    `machine "${name}" did not start${problem === undefined ? '' : `: ${problem}`}`,
    { hint: `"ucrun machine logs ${name}" shows what its guest had to say` },
  );
}
