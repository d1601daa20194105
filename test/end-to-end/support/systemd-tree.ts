/** Systems with systemd as process 1, each booted from the tree of hack/systemd-tree.sh in namespaces of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { type CommandOptions, type Outcome, run } from './command.ts';
import { repository, scratch } from './environment.ts';
import { waitFor } from './wait.ts';

const tree = join(repository, 'build/systemd-tree');
const cgroups = '/run/ucrun-env/cgroup2';

/** Why no system can be booted here, as the reason of a test that is skipped; false if one can. */
export const systemdIsMissing: string | false = !existsSync(join(tree, 'root'))
  ? 'there is no tree to boot systemd from: hack/systemd-tree.sh makes it on Debian'
  : !existsSync(cgroups)
    ? 'this host has no cgroup v2'
    : false;

/** The ordinary user of every system. */
export const ordinaryUser = { name: 'user', uid: 1000, home: '/home/user' } as const;

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A system that was booted. In it are ucrun at /usr/bin/ucrun, its registry at the usual place, and a podman 5. */
export class BootedSystem {
  readonly name: string;
  readonly #directory: string;
  readonly #cgroup: string;
  #monitor: ChildProcess | undefined;
  #pid = 0;

  private constructor(name: string) {
    this.name = name;
    this.#directory = join(scratch, name);
    this.#cgroup = join(cgroups, name);
  }

  /**
   * Boot a system and wait until it is running. It ends with the test, or with this process, and leaves nothing.
   * @param name its host name, and that of its directory and cgroup: no two systems of the tests have the same
   * @throws Error that names the units that failed, if any did
   */
  static async boot(t: Test, name: string): Promise<BootedSystem> {
    const system = new BootedSystem(name);
    t.teardown(() => system.#remove());
    await system.#boot();
    return system;
  }

  /** Run a command in the system, as root, to its end. */
  run(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    return this.#enter(['env', '--ignore-environment', 'HOME=/root', `PATH=${path}`, ...args], options);
  }

  /** Run a command that has to succeed. @returns what it printed on stdout, without the end of the line */
  async output(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return succeeded(args, await this.run(args, options));
  }

  /** Have a user manager for the ordinary user run now, and after each boot. */
  async startUserManager(): Promise<void> {
    await this.output(['loginctl', 'enable-linger', ordinaryUser.name]);
    await this.#userManagerIsRunning();
  }

  /** Run a command as the ordinary user, whose manager has to run: as a service of it, which is what a session gives too. */
  runAsUser(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    const { uid, home } = ordinaryUser;
    const service = ['--user', '--pipe', '--wait', '--quiet', '--collect', '--expand-environment=no'];
    return this.#enter(
      [
        ...['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--init-groups', 'env', '--ignore-environment'],
        ...[`HOME=${home}`, `PATH=${path}`, `XDG_RUNTIME_DIR=/run/user/${uid}`],
        ...['systemd-run', ...service, `--working-directory=${home}`, `--setenv=PATH=${path}`, '--', ...args],
      ],
      options,
    );
  }

  /** Like {@link output}, as the ordinary user. */
  async outputAsUser(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return succeeded(args, await this.runAsUser(args, options));
  }

  /** Where a file of the system is for the tests: until it is booted again. */
  path(file: string): string {
    return join(`/proc/${this.#pid}/root`, file);
  }

  /** Power the system off as its administrator would, and boot it again with all that was written. */
  async reboot(): Promise<void> {
    const hadUserManager = existsSync(this.path(`/var/lib/systemd/linger/${ordinaryUser.name}`));
    await this.powerOff();
    await this.#boot();
    if (hadUserManager) await this.#userManagerIsRunning();
  }

  /** Power the system off, and wait until it is. */
  async powerOff(): Promise<void> {
    const monitor = this.#monitor;
    await this.run(['systemctl', 'poweroff']);
    await waitFor(`${this.name} to be off`, () => monitor === undefined || hasEnded(monitor), 120);
    this.#monitor = undefined;
    await this.#removeCgroup();
  }

  /** What the system's journal has, of a unit if one is named. */
  journal(unit?: string): Promise<string> {
    return this.output(['journalctl', '--no-pager', ...(unit === undefined ? [] : ['--unit', unit])]);
  }

  async #boot(): Promise<void> {
    const boot = [join(repository, 'hack/systemd-boot.sh'), tree, this.#directory];
    // Should this process be killed, the system goes with it.
    const monitor = spawn('setpriv', ['--pdeathsig', 'KILL', ...boot], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#monitor = monitor;
    let errors = '';
    monitor.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    const state = await waitFor(
      `${this.name} to boot`,
      async () => {
        if (hasEnded(monitor)) return 'ended';
        const child = readFileSync(`/proc/${monitor.pid}/task/${monitor.pid}/children`, 'utf8');
        this.#pid = Number(child);
        return this.#pid > 0 && this.#state();
      },
      120,
    );
    if (state === 'ended') throw new Error(`${this.name} did not boot: ${errors}`);
    if (state === 'degraded')
      throw new Error(`in ${this.name} failed: ${await this.output(['systemctl', '--failed', '--plain'])}`);
  }

  /** How the system is once it has booted; undefined if systemd cannot be asked yet. */
  async #state(): Promise<'running' | 'degraded' | undefined> {
    const { stdout } = await this.run(['systemctl', 'is-system-running', '--wait'], { timeoutSeconds: 120 });
    return (['running', 'degraded'] as const).find((state) => stdout.trim() === state);
  }

  async #userManagerIsRunning(): Promise<void> {
    const unit = `user@${ordinaryUser.uid}.service`;
    await waitFor(
      `${unit} in ${this.name}`,
      async () => (await this.run(['systemctl', 'is-active', unit])).stdout.trim() === 'active',
      120,
    );
    await this.outputAsUser(['systemctl', '--user', 'is-system-running', '--wait'], { timeoutSeconds: 120 });
  }

  /** Run a program in the system's namespaces and in a cgroup beside those of systemd. */
  #enter(args: readonly string[], options: CommandOptions): Promise<Outcome> {
    const script = 'mkdir -p "$0" && echo $$ >"$0/cgroup.procs" && exec nsenter --target "$@"';
    return run('sh', ['-c', script, `${this.#cgroup}/shell`, `${this.#pid}`, '--all', ...args], options);
  }

  async #remove(): Promise<void> {
    const monitor = this.#monitor;
    if (monitor !== undefined && !hasEnded(monitor)) {
      monitor.kill('SIGKILL');
      await waitFor(`${this.name} to end`, () => hasEnded(monitor));
    }
    await this.#removeCgroup();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Processes leave their cgroup a moment after they have ended. */
  async #removeCgroup(): Promise<void> {
    if (!existsSync(this.#cgroup)) return;
    await waitFor(`the cgroup of ${this.name} to be empty`, () => {
      const folders = readdirSync(this.#cgroup, { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name));
      for (const folder of [this.#cgroup, ...folders].sort().reverse()) rmdirSync(folder);
      return true;
    });
  }
}

function hasEnded(process: ChildProcess): boolean {
  return process.exitCode !== null || process.signalCode !== null;
}

function succeeded(args: readonly string[], { status, stdout, stderr }: Outcome): string {
  if (status === 0) return stdout.trimEnd();
  throw new Error(`exit status ${status}: ${args.join(' ')}\n${stdout}${stderr}`);
}
