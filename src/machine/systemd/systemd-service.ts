import { existsSync, realpathSync, statSync } from 'node:fs';
import { RuntimeError } from '../../base/runtime-error.ts';
import { exists, writeFileAtomic } from '../../host/files.ts';
import { requireFreePorts } from '../../host/free-ports.ts';
import { processStartTime } from '../../host/processes.ts';
import { guests } from '../../unikernel/guests/index.ts';
import { noteChange } from '../changes.ts';
import { kvmGroup, needsLowPorts } from '../device-access.ts';
import { successStatuses } from '../guest-exit.ts';
import { isPaused } from '../history.ts';
import type { MachineHost } from '../host.ts';
import { cpuQuota, limitOf } from '../limits.ts';
import { volumeOwner } from '../monitor-user.ts';
import { failed, type QemuMachineService } from '../qemu-service.ts';
import type { MachineRecord } from '../record.ts';
import { resolveMachine, sizesOf } from '../resolve.ts';
import {
  describeMachine,
  type LogLine,
  type LogOptions,
  type Machine,
  type MachineChanges,
  type MachineEvent,
  type MachineService,
  type MachineSpec,
  type MachineStatus,
  type StopOptions,
  type UpdateResult,
} from '../service.ts';
import { isBroken, type MachineStore } from '../store.ts';
import { watchMachines } from '../watch.ts';
import { requireSystemd } from './booted.ts';
import { readJournal } from './journal.ts';
import { Systemctl } from './systemctl.ts';
import { editedUnits, refuseEdited, removeUnits, writeUnits } from './unit-files.ts';
import { UnitNews } from './unit-news.ts';
import { proxyName, renderUnits, serviceName, socketName, type UnitFacts, type UnitFile } from './units.ts';

const properties = [
  'Id',
  'LoadState',
  'ActiveState',
  'SubState',
  'MainPID',
  'NRestarts',
  'UnitFileState',
  'StateChangeTimestampMonotonic',
] as const;

/**
 * Machines that systemd keeps running. It wraps the service that knows machines, and proxies what concerns their running to units:
 * `start` only starts the unit, and the ucrun that systemd then calls starts QEMU.
 */
export class SystemdMachineService implements MachineService {
  readonly #host: MachineHost;
  readonly #store: MachineStore;
  readonly #inner: QemuMachineService;
  readonly #systemctl: Systemctl;

  constructor(host: MachineHost, store: MachineStore, inner: QemuMachineService) {
    this.#host = host;
    this.#store = store;
    this.#inner = inner;
    this.#systemctl = new Systemctl(host.places.scope, host.env);
  }

  async create(spec: MachineSpec): Promise<Machine> {
    requireSystemd(this.#host.places.scope, this.#host.env);
    await this.#inner.create(spec);
    try {
      await this.#writeUnits(this.#store.read(spec.name), false);
    } catch (error) {
      removeUnits(this.#host.places.units, spec.name);
      await this.#inner.delete(spec.name, { force: true });
      throw error;
    }
    return await this.get(spec.name);
  }

  async start(name: string): Promise<Machine> {
    const before = await this.get(name);
    if (before.status === 'running' || before.status === 'paused' || before.status === 'waiting') {
      throw new RuntimeError('MACHINE_STATE', `machine "${name}" is running already`);
    }
    const record = before.status === 'broken' ? this.#store.read(name) : await this.#refresh(name);
    const unit = record.settings.activation === undefined ? serviceName(name) : socketName(name);
    // systemd, which is to listen there, would not say which port it is.
    const isAtRest = before.status === 'created' || before.status === 'exited';
    if (record.settings.activation !== undefined && isAtRest)
      requireFreePorts(record.plan.ports, { net: '/proc/self/net', address: '::', option: '--port ' });
    await this.#systemctl.attempt(['reset-failed', serviceName(name)]);
    const { isDone, words } = await this.#systemctl.attempt(['start', unit]);
    if (!isDone) {
      const { lastRun } = this.#store.read(name);
      // A guest that was quick has run all the same.
      const isNew = lastRun?.started !== record.lastRun?.started;
      const hasRun = isNew && lastRun?.exitStatus !== undefined && lastRun.exitStatus !== 125;
      if (!hasRun) throw failed(name, lastRun?.problem ?? words);
    }
    if (record.settings.activation !== undefined)
      noteChange(this.#store.files(name), { started: record.lastRun?.started, status: 'waiting' });
    return await this.get(name);
  }

  async pause(name: string): Promise<Machine> {
    await this.#noteProcess(name);
    await this.#inner.pause(name);
    return await this.get(name);
  }

  async resume(name: string): Promise<Machine> {
    await this.#noteProcess(name);
    await this.#inner.resume(name);
    return await this.get(name);
  }

  async stop(name: string, { timeoutMs }: StopOptions = {}): Promise<Machine> {
    const record = this.#store.read(name);
    // With a time of its own the guest is brought down first, and the unit finds it gone.
    if (timeoutMs !== undefined && (await this.#noteProcess(name))) {
      await this.#systemctl.attempt(['stop', '--no-block', ...this.#activationUnits(record)]);
      await this.#inner.stop(name, { timeoutMs });
    }
    const units = [...this.#activationUnits(record), serviceName(name)];
    await this.#systemctl.run(['stop', ...units], `cannot stop machine "${name}"`);
    return await this.get(name);
  }

  async update(name: string, changes: MachineChanges, { force = false } = {}): Promise<UpdateResult> {
    if (!force) refuseEdited(this.#host.places.units, name);
    const isRunning = await this.#noteProcess(name);
    const before = this.#store.read(name);
    const { now, atNextStart } = await this.#inner.update(name, changes);
    // systemd limits what runs as soon as it has read the unit: less than QEMU has by now would kill it.
    const limitMiB = isRunning ? limitOf(before) : undefined;
    const after = await this.#store.change(name, (record) => ({ ...record, limitMiB }));
    await this.#writeUnits(after, force);
    const quota = cpuQuota(after.settings);
    const isLimited = isRunning && quota !== cpuQuota(before.settings);
    const time = `processor time: ${quota === undefined ? 'no limit' : `at most ${quota}% of one`}`;
    return { now: isLimited ? [...now, time] : now, atNextStart };
  }

  async delete(name: string, { force = false } = {}): Promise<void> {
    const { units } = this.#host.places;
    const record = this.#store.read(name);
    if (!force) {
      const { status } = await this.get(name);
      if (status !== 'created' && status !== 'exited' && status !== 'broken') {
        throw new RuntimeError('MACHINE_STATE', `machine "${name}" is ${status}`, {
          hint: 'stop it first, or remove it with --force',
        });
      }
      refuseEdited(units, name);
    }
    const all = [...this.#activationUnits(record), serviceName(name)];
    await this.#systemctl.attempt(['stop', ...all]);
    await this.#systemctl.attempt(['disable', ...all.filter((unit) => unit !== proxyName(name))]);
    await this.#systemctl.attempt(['reset-failed', ...all]);
    if (removeUnits(units, name)) await this.#systemctl.attempt(['daemon-reload']);
    await this.#inner.delete(name, { force: true });
  }

  async get(name: string): Promise<Machine> {
    const [machine] = await this.#describe([this.#store.read(name)]);
    if (machine === undefined) throw new Error('a machine was not described');
    return machine;
  }

  async list(): Promise<readonly Machine[]> {
    const records = this.#store
      .readAll()
      .flatMap((found) => (isBroken(found) || found.manager !== 'systemd' ? [] : [found]));
    return await this.#describe(records);
  }

  watch({ signal }: { readonly signal: AbortSignal }): AsyncIterable<MachineEvent> {
    return watchMachines({ store: this.#store, list: () => this.list(), news: this.news(), signal });
  }

  /** Has systemd tell of what it does with units of machines, see {@link watchMachines}. */
  news(): (notice: () => void, signal: AbortSignal) => boolean {
    const news = new UnitNews(this.#host.places.scope, this.#host.env);
    return (notice, signal) => news.listen(notice, signal);
  }

  async *logs(name: string, options: LogOptions): AsyncIterable<LogLine> {
    this.#store.read(name);
    yield* readJournal(this.#host.places.scope, name, options, this.#host.env);
  }

  async setEnabled(name: string, isEnabled: boolean): Promise<void> {
    const { settings } = this.#store.read(name);
    const unit = settings.activation === undefined ? serviceName(name) : socketName(name);
    const verb = isEnabled ? 'enable' : 'disable';
    await this.#systemctl.run([verb, unit], `cannot ${verb} machine "${name}"`);
    noteChange(this.#store.files(name), { started: undefined, status: undefined });
  }

  /** The units that a machine should have. */
  unitsOf(record: MachineRecord): readonly UnitFile[] {
    return renderUnits(record, this.#facts(record));
  }

  /** Write the units of a machine anew, as its record says. */
  async repair(record: MachineRecord): Promise<void> {
    await this.#writeUnits(record, true);
  }

  /** What a machine is to be started with now: its unikernel may be another one, and a limit that was another run's is over. */
  async #refresh(name: string): Promise<MachineRecord> {
    const files = this.#store.files(name);
    const record = await this.#store.change(name, (before) => ({
      ...before,
      plan: sizesOf(resolveMachine(this.#host, before, files)),
      limitMiB: undefined,
    }));
    // What somebody has changed by hand stays, and is no reason not to start it.
    if (editedUnits(this.#host.places.units, name).length === 0) await this.#writeUnits(record, false);
    return record;
  }

  async #writeUnits(record: MachineRecord, force: boolean): Promise<void> {
    if (!writeUnits(this.#host.places.units, record.name, this.unitsOf(record), force)) return;
    await this.#systemctl.run(['daemon-reload'], `cannot make the unit of machine "${record.name}" known`);
  }

  #activationUnits({ name, settings }: MachineRecord): readonly string[] {
    return settings.activation === undefined ? [] : [socketName(name), proxyName(name)];
  }

  /** For the service below: it knows QEMU by a process. @returns whether there is one */
  async #noteProcess(name: string): Promise<boolean> {
    const files = this.#store.files(name);
    this.#store.read(name);
    const [unit] = await this.#systemctl.show([serviceName(name)], ['MainPID']);
    const pid = Number(unit?.MainPID ?? 0);
    const startTime = pid > 0 ? processStartTime(pid) : undefined;
    if (startTime === undefined || !exists(files.run)) return false;
    writeFileAtomic(files.pid, `${pid} ${startTime}\n`, 0o600);
    return true;
  }

  async #describe(records: readonly MachineRecord[]): Promise<readonly Machine[]> {
    const wanted = records.flatMap(({ name, settings }) =>
      settings.activation === undefined ? [serviceName(name)] : [serviceName(name), socketName(name)],
    );
    const shown = await this.#systemctl.show(wanted, properties);
    const units = new Map(shown.map((unit) => [unit.Id, unit]));
    return records.map((before) => {
      const service = units.get(serviceName(before.name)) ?? {};
      const socket = units.get(socketName(before.name)) ?? {};
      const record = this.#endNoted(before, service);
      const pid = Number(service.MainPID ?? 0);
      const isEnabled =
        (record.settings.activation === undefined ? service : socket).UnitFileState === 'enabled';
      const status = this.#statusOf(record, service, socket);
      const machine = describeMachine(record, { status, pid: pid > 0 ? pid : undefined, isEnabled });
      const changes = [service, socket].map((unit) => Number(unit.StateChangeTimestampMonotonic ?? 0));
      return { ...machine, since: wallTime(Math.max(...changes)), restarts: Number(service.NRestarts ?? 0) };
    });
  }

  /** A unit that has ended meanwhile has had its end written down since the record was read. */
  #endNoted(record: MachineRecord, service: Readonly<Record<string, string>>): MachineRecord {
    const hasEnded = service.ActiveState === 'inactive' || service.ActiveState === 'failed';
    if (!hasEnded || record.lastRun === undefined || record.lastRun.ended !== undefined) return record;
    try {
      return this.#store.read(record.name);
    } catch (error) {
      // It was removed.
      if (error instanceof RuntimeError) return record;
      throw error;
    }
  }

  #statusOf(
    record: MachineRecord,
    service: Readonly<Record<string, string>>,
    socket: Readonly<Record<string, string>>,
  ): MachineStatus {
    const files = this.#store.files(record.name);
    if (service.LoadState === 'not-found') return 'broken';
    switch (service.ActiveState) {
      case 'active':
      case 'reloading':
        if (exists(files.stopping)) return 'stopping';
        return isPaused(files) ? 'paused' : 'running';
      case 'activating':
        return service.SubState === 'auto-restart' ? 'restarting' : 'starting';
      case 'deactivating':
        return 'stopping';
      default:
        if (socket.ActiveState === 'active') return 'waiting';
        return record.lastRun === undefined ? 'created' : 'exited';
    }
  }

  #facts(record: MachineRecord): UnitFacts {
    const { places, self, env } = this.#host;
    const { settings, plan } = record;
    const files = this.#store.files(record.name);
    const machine = resolveMachine(this.#host, record, files);
    const read = [self, machine.kernel, machine.initrd, ...machine.disks].filter(
      (path) => path !== undefined,
    );
    const volumes = machine.volumes.map(({ source, guest }) => ({ source, readOnly: guest.readOnly }));
    const kept = ['UCRUN_CONFIG', ...(places.scope === 'user' ? ['XDG_DATA_HOME', 'XDG_CONFIG_HOME'] : [])];
    const readOnly = volumes.filter(({ readOnly: isReadOnly }) => isReadOnly).map(({ source }) => source);
    return {
      scope: places.scope,
      self,
      environment: Object.fromEntries(
        kept.flatMap((key) => (env[key] === undefined ? [] : [[key, env[key]]])),
      ),
      graceMs: plan.powerButton ? this.#inner.graceMs(record) : 0,
      successStatuses: successStatuses(guests[plan.guest].exitValues),
      uid: places.scope === 'system' ? volumeOwner(settings) : undefined,
      kvmGroup: kvmGroup(),
      hasLowPorts: settings.activation === undefined && needsLowPorts(plan.ports),
      disks: machine.disks.length === 0 ? undefined : files.disks,
      readPaths: [...new Set([...read.filter(isHidden), ...readOnly])],
      writePaths: volumes.filter(({ readOnly: isReadOnly }) => !isReadOnly).map(({ source }) => source),
      socketProxy: findSocketProxy(),
    };
  }
}

/** The time of a point of the monotonic clock, in microseconds; undefined for 0. */
function wallTime(monotonic: number): string | undefined {
  if (monotonic === 0) return undefined;
  const agoUs = Number(process.hrtime.bigint() / 1000n) - monotonic;
  return new Date(Date.now() - agoUs / 1000).toISOString();
}

/** Whether a unit does not see a path. */
function isHidden(path: string): boolean {
  const real = statSync(path, { throwIfNoEntry: false }) === undefined ? path : realpathSync(path);
  return /^\/(?:home|root|run\/user|tmp|var\/tmp)\//.test(real);
}

function findSocketProxy(): string {
  const places = ['/usr/lib/systemd', '/lib/systemd', '/run/current-system/sw/lib/systemd'];
  const found = places.map((place) => `${place}/systemd-socket-proxyd`).find(existsSync);
  return found ?? '/usr/lib/systemd/systemd-socket-proxyd';
}
