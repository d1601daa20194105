import type { CommandOptions, Outcome } from '../command.ts';
import { waitFor } from '../wait.ts';

/** Where machines are tested: who keeps them, and how commands are run there. */
export interface MachineHost {
  /** What `create` and `run` are told, such as `--systemd`. */
  readonly options: readonly string[];
  /** The MANAGER that `ps` shows. */
  readonly manager: 'ucrun' | 'systemd';
  /** Run a command to its end, whatever its exit status. */
  run(args: readonly string[], options?: CommandOptions): Promise<Outcome>;
  /** Where a file of the host's is for the tests; without it in its place. */
  path?(file: string): string;
}

/** `ucrun machine` on a host. */
export class Machines {
  readonly host: MachineHost;
  /** ucrun, as it is called there. */
  readonly program: string;

  constructor(host: MachineHost, ucrun: string) {
    this.host = host;
    this.program = ucrun;
  }

  /** A command, whatever becomes of it. */
  run(...args: readonly string[]): Promise<Outcome> {
    return this.host.run([this.program, 'machine', ...args], { timeoutSeconds: 150 });
  }

  /** One that has to succeed. @returns what it printed, without the end of the line */
  async do(...args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(...args);
    if (status === 0) return stdout.trimEnd();
    throw new Error(`exit status ${status}: ucrun machine ${args.join(' ')}\n${stdout}${stderr}`);
  }

  /** Make a machine, by this host's manager. */
  async create(name: string, args: readonly string[]): Promise<void> {
    await this.do('create', '--name', name, ...this.host.options, ...args);
  }

  /** What is known of a machine. */
  async inspect(name: string): Promise<Inspected> {
    const [machine] = JSON.parse(await this.do('inspect', name)) as Inspected[];
    if (machine === undefined) throw new Error(`inspect says nothing of ${name}`);
    return machine;
  }

  /** Wait until a machine is in a state. */
  async waitForStatus(name: string, status: string): Promise<Inspected> {
    return await waitFor(
      `${name} to be ${status}`,
      async () => {
        const machine = await this.inspect(name);
        return machine.status === status && machine;
      },
      120,
    );
  }

  /** Wait until a machine's console has a text. */
  async waitForLog(name: string, pattern: RegExp): Promise<string> {
    return await waitFor(
      `${pattern} in the log of ${name}`,
      async () => {
        const text = await this.do('logs', name);
        return pattern.test(text) && text;
      },
      120,
    );
  }

  /**
   * Watch a machine while something is done, until it has a state after that.
   * @returns the lines, from the first
   */
  async watchWhile(name: string, act: () => Promise<void>, last = 'exited'): Promise<readonly Watched[]> {
    const file = `/tmp/ucrun-watch-${name}`;
    const script = `: >"$2"; "$0" machine watch --json "$1" >"$2" & while [ -e "$2" ]; do sleep 0.1; done; kill $!`;
    const watching = this.host.run(['timeout', '170', 'sh', '-c', script, this.program, name, file], {
      timeoutSeconds: 180,
    });
    const read = async () => {
      const { stdout } = await this.host.run(['cat', file]);
      return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Watched]));
    };
    try {
      await waitFor(`a first line of ${name}`, async () => (await read()).length > 0, 60);
      await act();
      return await waitFor(
        `a line that says that ${name} is ${last}`,
        async () => {
          const lines = await read();
          return lines.at(-1)?.status === last && lines;
        },
        90,
      );
    } finally {
      await this.host.run(['rm', '--force', file]);
      await watching;
    }
  }

  /** Remove machines, whatever state they are in. */
  async remove(...names: readonly string[]): Promise<void> {
    await this.run('rm', '--force', ...names);
  }
}

/** A line of `watch`. */
export interface Watched {
  readonly time: string;
  readonly name: string;
  readonly status: string;
  readonly exitStatus?: number;
}

/** Some of what `inspect` shows. */
export interface Inspected {
  readonly name: string;
  readonly manager: string;
  readonly status: string;
  readonly exitStatus?: number;
  readonly problem?: string;
  readonly pid?: number;
  readonly restarts: number;
  readonly memoryMiB: number;
  readonly isEnabled: boolean;
  readonly addresses: readonly string[];
}
