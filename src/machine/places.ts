import { homedir } from 'node:os';

/** Whose machines they are: those of the host, or a user's own. */
export type Scope = 'system' | 'user';

/** Where the machines of one scope are kept. */
export interface MachinePlaces {
  readonly scope: Scope;
  /** What stays: a directory for each machine. */
  readonly store: string;
  /** What is there while machines run: a directory for each. */
  readonly run: string;
  /** Where units of ours are. */
  readonly units: string;
}

/**
 * Where machines are: below /var/lib and /run for the host, in the user's own directories for everybody else.
 * @see XDG Base Directory Specification 0.8; file-hierarchy(7); systemd.unit(5), "Unit File Load Path"
 */
export function machinePlaces(scope: Scope, env: NodeJS.ProcessEnv, uid: number): MachinePlaces {
  if (scope === 'system') {
    return {
      scope,
      store: '/var/lib/ucrun/machines',
      run: '/run/ucrun/machines',
      units: '/etc/systemd/system',
    };
  }
  const home = env.HOME?.startsWith('/') === true ? env.HOME : homedir();
  const directory = (name: string, usual: string) =>
    env[name]?.startsWith('/') === true ? env[name] : usual;
  return {
    scope,
    store: `${directory('XDG_DATA_HOME', `${home}/.local/share`)}/ucrun/machines`,
    run: `${directory('XDG_RUNTIME_DIR', `/run/user/${uid}`)}/ucrun/machines`,
    units: `${directory('XDG_CONFIG_HOME', `${home}/.config`)}/systemd/user`,
  };
}

/** The files and directories of one machine. */
export interface MachineFiles {
  readonly directory: string;
  readonly record: string;
  /** A registry of its own, for a unikernel that was not one of the host's. */
  readonly registry: string;
  /** What the guest has written to its disks. */
  readonly disks: string;
  readonly log: string;
  /** How its state has changed, see changes.ts. */
  readonly changes: string;
  readonly lock: string;
  /** There while a command shows its console, and removes it afterwards if that is wanted: `PID START-TIME`. */
  readonly attached: string;
  /** There while one waits to start it again: `PID START-TIME`. */
  readonly restarting: string;
  /** Of a machine that runs: ours alone. */
  readonly run: string;
  /** QEMU and the wrapper that waits for it: `PID START-TIME PID START-TIME`. */
  readonly pid: string;
  readonly state: string;
  readonly launch: string;
  readonly wrapper: string;
  /** There when it was asked to end, and when it was switched off. */
  readonly stopping: string;
  readonly switchedOff: string;
  /** Its own, to which QEMU may write: what is found there is hostile. */
  readonly qemu: string;
}

/** The paths of a machine. Pure; the name must have been checked. */
export function machineFiles({ store, run }: MachinePlaces, name: string): MachineFiles {
  const directory = `${store}/${name}`;
  const running = `${run}/${name}`;
  return {
    directory,
    record: `${directory}/machine.json`,
    registry: `${directory}/registry`,
    disks: `${directory}/disks`,
    log: `${directory}/console.log`,
    changes: `${directory}/changes`,
    lock: `${store}/.${name}.lock`,
    attached: `${directory}/attached`,
    restarting: `${directory}/restarting`,
    run: running,
    pid: `${running}/pid`,
    state: `${running}/state.json`,
    launch: `${running}/launch`,
    wrapper: `${running}/wrapper`,
    stopping: `${running}/stopping`,
    switchedOff: `${running}/switched-off`,
    qemu: `${running}/qemu`,
  };
}

/** What is in {@link MachineFiles.qemu}. */
export const qemuNames = {
  qmp: 'qmp.sock',
  exitStatus: 'exit',
  events: 'events',
  lastEvents: 'last-events',
  errors: 'vmm.err',
  ready: 'ready',
  history: 'history',
} as const;
