import { RuntimeError } from '../base/runtime-error.ts';
import type { MachineHost } from './host.ts';
import { QemuMachineService } from './qemu-service.ts';
import type {
  LogLine,
  LogOptions,
  Machine,
  MachineChanges,
  MachineEvent,
  MachineService,
  MachineSpec,
  StopOptions,
  UpdateResult,
} from './service.ts';
import { isBroken, MachineStore } from './store.ts';
import { SystemdMachineService } from './systemd/systemd-service.ts';
import { watchMachines } from './watch.ts';

/** All machines of a scope, each in the hands of the service that keeps it. Nobody who uses it has to know which that is. */
export class MachineRouter implements MachineService {
  readonly store: MachineStore;
  readonly qemu: QemuMachineService;
  readonly systemd: SystemdMachineService;

  constructor(host: MachineHost) {
    this.store = new MachineStore(host.places);
    this.qemu = new QemuMachineService(host, this.store);
    this.systemd = new SystemdMachineService(host, this.store, this.qemu);
  }

  async create(spec: MachineSpec): Promise<Machine> {
    return await this.#by(spec.manager).create(spec);
  }

  async start(name: string): Promise<Machine> {
    return await this.#of(name).start(name);
  }

  async pause(name: string): Promise<Machine> {
    return await this.#of(name).pause(name);
  }

  async resume(name: string): Promise<Machine> {
    return await this.#of(name).resume(name);
  }

  async stop(name: string, options?: StopOptions): Promise<Machine> {
    return await this.#of(name).stop(name, options);
  }

  async update(
    name: string,
    changes: MachineChanges,
    options?: { readonly force?: boolean },
  ): Promise<UpdateResult> {
    return await this.#of(name).update(name, changes, options);
  }

  async delete(name: string, options?: { readonly force?: boolean }): Promise<void> {
    await this.#of(name, options?.force === true).delete(name, options);
  }

  async get(name: string): Promise<Machine> {
    return await this.#of(name).get(name);
  }

  /** All of them; one whose record cannot be read is `broken`. */
  async list(): Promise<readonly Machine[]> {
    const found = this.store.readAll();
    const unreadable = found
      .filter(isBroken)
      .map(({ name, problem }) => brokenMachine(name, problem.message));
    const isKept = found.some((machine) => !isBroken(machine) && machine.manager === 'systemd');
    const [own, systemd] = await Promise.all([this.qemu.list(), isKept ? this.systemd.list() : []]);
    return [...own.filter(({ manager }) => manager === 'ucrun'), ...systemd, ...unreadable].toSorted((a, b) =>
      a.name.localeCompare(b.name, 'en'),
    );
  }

  watch({ signal }: { readonly signal: AbortSignal }): AsyncIterable<MachineEvent> {
    return watchMachines({
      store: this.store,
      list: () => this.list(),
      news: this.systemd.news(),
      signal,
    });
  }

  logs(name: string, options: LogOptions): AsyncIterable<LogLine> {
    return this.#of(name).logs(name, options);
  }

  async setEnabled(name: string, isEnabled: boolean): Promise<void> {
    await this.#of(name).setEnabled(name, isEnabled);
  }

  #by(manager: MachineSpec['manager']): QemuMachineService | SystemdMachineService {
    return manager === 'systemd' ? this.systemd : this.qemu;
  }

  /** @param force whether it is to be found even if its record cannot be read, to be removed */
  #of(name: string, force = false): QemuMachineService | SystemdMachineService {
    try {
      return this.#by(this.store.read(name).manager);
    } catch (error) {
      if (
        force &&
        error instanceof RuntimeError &&
        error.code === 'MACHINE_INVALID' &&
        this.store.names().includes(name)
      )
        return this.qemu;
      throw error;
    }
  }
}

function brokenMachine(name: string, problem: string): Machine {
  return {
    name,
    manager: 'ucrun',
    status: 'broken',
    exitStatus: undefined,
    problem,
    created: new Date(0).toISOString(),
    started: undefined,
    ended: undefined,
    restarts: 0,
    pid: undefined,
    guest: undefined,
    source: undefined,
    memoryMiB: 0,
    cpus: 0,
    ports: [],
    addresses: [],
    isEnabled: false,
    settings: undefined,
  };
}
