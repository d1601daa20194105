/**
 * The command line of an OCI runtime, without an engine: for a plain bundle it is crun's, however it is spelled.
 */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { type BundleSpec, makeBundle } from './support/bundle.ts';
import { type Outcome, run } from './support/command.ts';
import { isPlainCrun, scratch, ucrun } from './support/environment.ts';

const folder = join(scratch, 'oci');
const bundle = join(folder, 'bundle');

/** Make a bundle whose process is a shell script. */
const makeScriptBundle = (
  path: string,
  script: string,
  change: (spec: BundleSpec) => void = () => undefined,
) =>
  makeBundle(path, (spec) => {
    spec.process.args = ['/bin/sh', '-c', script];
    spec.hostname = 'plain';
    change(spec);
  });

/** The same steps under one runtime, with a state directory and a container id of its own. */
class Session {
  readonly root: string;
  readonly id: string;
  readonly transcript: Outcome[] = [];
  readonly #runtime: string;
  #steps = 0;

  constructor(label: string, runtime: string) {
    this.root = join(folder, `root-${label}`);
    this.id = `oci-${label}`;
    this.#runtime = runtime;
  }

  get statuses(): readonly number[] {
    return this.transcript.map(({ status }) => status);
  }

  get stdout(): string {
    return this.transcript.map(({ stdout }) => stdout).join('');
  }

  /** Call the runtime; `$ROOT` and `$ID` stand for this session's own. */
  call(...args: readonly string[]): Promise<void> {
    return this.shell('"$@"', ...args);
  }

  /**
   * Run a shell script in which "$@" is the call of the runtime. Its output goes to files, as a container that
   * `create` leaves running keeps it open; what that container prints later is seen with `printed()`.
   */
  async shell(script: string, ...args: readonly string[]): Promise<void> {
    const file = join(this.root, `output-${++this.#steps}`);
    await mkdir(this.root, { recursive: true });
    const { status } = await run(
      'sh',
      [
        '-c',
        `{ ${script}\n} >'${file}' 2>'${file}.err'`,
        'sh',
        this.#runtime,
        ...args.map((arg) => this.#own(arg)),
      ],
      { env: { ROOT: this.root, ID: this.id } },
    );
    const stdout = this.#normalise(await readFile(file, 'utf8'));
    const stderr = this.#normalise(await readFile(`${file}.err`, 'utf8'));
    this.transcript.push({ status, stdout, stderr });
  }

  /** Note what the container of an earlier step has printed by now. */
  async printed(step: number): Promise<void> {
    const stdout = this.#normalise(await readFile(join(this.root, `output-${step}`), 'utf8'));
    this.transcript.push({ status: 0, stdout, stderr: '' });
  }

  /** Wait until the container has come to an end, which is what `state` says. */
  async ended(): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt++) {
      const { status, stdout } = await run(this.#runtime, ['--root', this.root, 'state', this.id]);
      if (status !== 0 || JSON.parse(stdout).status === 'stopped') return;
    }
    throw new Error(`${this.id} has not ended`);
  }

  async remove(): Promise<void> {
    await run(this.#runtime, ['--root', this.root, 'delete', '--force', this.id]);
  }

  #own(arg: string): string {
    return arg.replaceAll('$ROOT', this.root).replaceAll('$ID', this.id);
  }

  #normalise(text: string): string {
    return text
      .replaceAll(this.root, 'ROOT')
      .replaceAll(this.#runtime, 'RUNTIME')
      .replaceAll('/usr/bin/crun', 'RUNTIME')
      .replaceAll(this.id, 'ID')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
      .replace(/("pid": ?|^\s*)\d+/gm, '$1PID')
      .replace(/\bID +\d+/g, 'ID PID')
      .replace(/\bu?crun\b/g, 'RUNTIME');
  }
}

interface Case {
  readonly name: string;
  readonly act: (session: Session) => Promise<unknown>;
  readonly statuses: readonly number[];
  readonly stdout?: RegExp;
}

const cases: readonly Case[] = [
  {
    name: 'create, state, start, kill, delete',
    act: async (s) => {
      await s.call('--root', '$ROOT', 'create', '--bundle', bundle, '$ID');
      await s.call('--root', '$ROOT', 'state', '$ID');
      await s.call('--root', '$ROOT', 'create', '--bundle', bundle, '$ID');
      await s.call('--root', '$ROOT', 'start', '$ID');
      await s.call('--root', '$ROOT', 'start', '$ID');
      await s.call('--root', '$ROOT', 'delete', '$ID');
      await s.call('--root', '$ROOT', 'kill', '$ID', 'KILL');
      await s.ended();
      await s.call('--root', '$ROOT', 'state', '$ID');
      await s.call('--root', '$ROOT', 'kill', '$ID', 'TERM');
      await s.call('--root', '$ROOT', 'delete', '$ID');
      await s.call('--root', '$ROOT', 'state', '$ID');
      await s.call('--root', '$ROOT', 'delete', '$ID');
      await s.call('--root', '$ROOT', 'delete', '--force', '$ID');
    },
    statuses: [0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0],
    stdout: /"status": "created".*"status": "stopped"/s,
  },
  {
    name: 'global options, spelled in every way',
    act: async (s) => {
      await s.call(
        '--root=$ROOT',
        '--log=$ROOT/log',
        '--log-format=json',
        'create',
        `--bundle=${bundle}`,
        '$ID',
      );
      await s.call('--root=/nowhere', '--root', '$ROOT', 'state', '$ID');
      await s.call('--cgroup-manager', 'cgroupfs', '--root', '$ROOT', 'list', '--quiet');
      await s.call('--root', '$ROOT', '--debug', 'start', '$ID');
      await s.call('--root=$ROOT', 'kill', '--all', '$ID', '9');
      await s.call('--root=$ROOT', 'delete', '-f', '$ID');
    },
    statuses: [0, 0, 0, 0, 0, 0],
    stdout: /"status": "created"/,
  },
  {
    name: 'unknown options and bundles',
    act: async (s) => {
      await s.call('--no-such-option', 'create', '--bundle', bundle, '$ID');
      await s.call('--root', '$ROOT', 'create', '--no-such-option', '--bundle', bundle, '$ID');
      await s.call('--root', '$ROOT', 'create', '--bundle', bundle);
      await s.call('--root', '$ROOT', 'create', '--bundle', bundle, '../$ID');
      await s.call('--root', '$ROOT', 'state', 'no-such-container');
      await s.call('--root', '$ROOT', 'kill', 'no-such-container', 'TERM');
    },
    statuses: [64, 64, 1, 1, 1, 1],
  },
  {
    name: 'an error goes to the log, as one record',
    act: async (s) => {
      await s.call(
        '--root',
        '$ROOT',
        '--log',
        '$ROOT/log',
        '--log-format',
        'json',
        'start',
        'no-such-container',
      );
      await s.shell('cat "$ROOT/log"');
    },
    statuses: [1, 0],
    stdout: /^\{[^\n]*no-such-container[^\n]*\}\n?$/,
  },
  {
    name: 'the bundle is the working directory',
    act: async (s) => {
      await s.shell(
        `cd '${bundle}' && "$@"`,
        '--root',
        '$ROOT',
        'run',
        '--detach',
        '--pid-file',
        '$ROOT/pid',
        '$ID',
      );
      await s.shell('tr -d 0-9 <"$ROOT/pid"; test -d "/proc/$(cat "$ROOT/pid")"');
      await s.call('--root', '$ROOT', 'exec', '$ID', 'sh', '-c', 'hostname; exit 7');
      await s.call('--root', '$ROOT', 'ps', '--format', 'table', '$ID');
      await s.call('--root', '$ROOT', 'pause', '$ID');
      await s.call('--root', '$ROOT', 'state', '$ID');
      await s.call('--root', '$ROOT', 'resume', '$ID');
      await s.call('--root', '$ROOT', 'delete', '--force', '$ID');
    },
    statuses: [0, 0, 7, 0, 0, 0, 0, 0],
    stdout: /plain\n.*"status": "paused"/s,
  },
  {
    name: 'run passes on input, output, exit status and death by a signal',
    act: async (s) => {
      const reader = join(folder, 'reader');
      await s.shell('echo typed | "$@"', '--root', '$ROOT', 'run', '--bundle', reader, '$ID');
      const dying = join(folder, 'dying');
      await s.call('--root', '$ROOT', 'run', '--bundle', dying, '$ID');
    },
    statuses: [11, 137],
    stdout: /^<typed>\n/,
  },
  {
    name: 'signals, limits, mask and descriptors are inherited as they are',
    act: async (s) => {
      const portrait = join(folder, 'portrait');
      const call = ['--root', '$ROOT', 'run', '--bundle', portrait, '$ID'];
      await s.shell('"$@"', ...call);
      await s.shell('umask 027; ulimit -Sn 300; trap \'\' USR1; "$@" </dev/null | cat', ...call);
      await s.shell(
        'echo three >"$ROOT/three"; "$@" 3<"$ROOT/three"',
        ...call.toSpliced(3, 0, '--preserve-fds', '1'),
      );
      await s.shell('echo three >"$ROOT/three"; export LISTEN_FDS=1; "$@" 3<"$ROOT/three"', ...call);
    },
    statuses: [0, 0, 0, 0],
    stdout: /three\n/,
  },
  {
    name: 'a container that prints after create',
    act: async (s) => {
      const printer = join(folder, 'printer');
      await s.call('--root', '$ROOT', 'create', '--bundle', printer, '$ID');
      await s.call('--root', '$ROOT', 'start', '$ID');
      await s.ended();
      await s.printed(1);
      await s.call('--root', '$ROOT', 'delete', '$ID');
    },
    statuses: [0, 0, 0, 0],
    stdout: /^printed\n$/,
  },
];

const portraitScript = [
  'grep -E "^(Sig[PBIC]|ShdPnd|Umask|Groups)" /proc/self/status',
  'ulimit -a',
  'cat /proc/self/oom_score_adj',
  'for fd in 0 1 2; do grep flags /proc/self/fdinfo/$fd; done',
  'test ! -e /proc/self/fd/3 || cat <&3',
  'env',
].join('\n');

t.before(async () => {
  await makeScriptBundle(bundle, 'while :; do sleep 100; done');
  await makeScriptBundle(join(folder, 'reader'), 'read -r line; echo "<$line>"; echo error >&2; exit 11');
  await makeScriptBundle(join(folder, 'dying'), 'kill -KILL $$', ({ linux }) => {
    // The first process of a pid namespace could not kill itself.
    linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'pid');
  });
  await makeScriptBundle(join(folder, 'portrait'), portraitScript);
  await makeScriptBundle(join(folder, 'printer'), 'echo printed');
});

for (const { name, act, statuses, stdout } of cases) {
  t.test(name, async (t) => {
    const sessions = [new Session('crun', '/usr/bin/crun'), new Session('ours', ucrun)] as const;
    t.teardown(() => Promise.all(sessions.map((session) => session.remove())));
    for (const session of sessions) await act(session);
    const [crun, ours] = sessions;
    t.strictSame(crun.statuses, statuses, 'crun ends as expected');
    if (stdout !== undefined) t.match(crun.stdout, stdout, 'crun prints what is expected');
    t.strictSame(ours.transcript, crun.transcript, 'ucrun does the same');
  });
}

t.test(
  'a command line reaches crun as it is',
  { skip: isPlainCrun && 'crun itself is under test' },
  async (t) => {
    // A crun that only tells what it was given: its process id, arguments and environment.
    const fake = join(folder, 'fake-crun');
    const record = join(folder, 'record');
    const config = join(folder, 'config.toml');
    await writeFile(
      fake,
      `#!/bin/sh\n{ echo $$; pwd; for arg; do printf '%s\\0' "$arg"; done; } >'${record}'\ncat /proc/self/environ >'${record}.env'\nexit 99\n`,
    );
    await chmod(fake, 0o755);
    await writeFile(config, `crun = "${fake}"\n`);

    const commandLines: readonly (readonly string[])[] = [
      ['list'],
      ['--root', '/x', 'list', '--format=json'],
      ['--root', 'create', 'list'],
      ['--root=/x', '--root', '/y', 'state', 'id'],
      ['--log', '/dev/null', '--log-format', 'json', '--systemd-cgroup', 'start', 'id'],
      ['--unknown', 'create', 'id'],
      ['--unknown=create', 'run', 'id'],
      ['exec', '--process', '/p.json', '--detach', '--pid-file', '/pid', 'id'],
      ['exec', 'id', 'create', '--bundle', '/nowhere'],
      ['restore', '-no-subreaper', 'id'],
      ['update', '--resources=-', 'id'],
      ['checkpoint', '--help'],
      ['pause', '', ' ', 'a b', '*', '$(id)', "it's", 'é', 'line\nfeed', '--', '-'],
      ['create', '--bundle', bundle, 'id'],
      ['create', '--bundle', bundle, '--preserve-fds', '0', 'id'],
      ['run', '-b', bundle, 'id'],
      ['kill', 'id', '9'],
      ['delete', '--force', 'id'],
    ];
    for (const args of commandLines) {
      const { status, stdout, stderr } = await run(
        'sh',
        ['-c', `exec env -i UCRUN_CONFIG='${config}' ONLY=this "$@"`, 'sh', ucrun, ...args],
        { cwd: bundle },
      );
      const [pid = '', directory, ...rest] = (await readFile(record, 'utf8')).split('\n');
      const given = rest.join('\n').split('\0').slice(0, -1);
      const environment = (await readFile(`${record}.env`, 'utf8'))
        .split('\0')
        .filter((entry) => !/^(_=|$)/.test(entry));
      t.strictSame(given, args, `ucrun ${args.join(' ')}`);
      t.strictSame(
        { status, stdout, stderr, directory },
        { status: 99, stdout: '', stderr: '', directory: bundle },
      );
      t.match(pid, /^\d+$/);
      t.strictSame(environment.sort(), ['ONLY=this', `PWD=${bundle}`, `UCRUN_CONFIG=${config}`].sort());
    }
  },
);
