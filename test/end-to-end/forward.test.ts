/**
 * Containers without a unikernel behave as under crun: every case runs under both, and the transcripts are the same.
 */
import t from 'tap';
import { type CommandOptions, type Outcome, run, runOnTerminal } from './support/command.ts';
import { ucrun } from './support/environment.ts';
import { buildPlainImage, plainImage } from './support/images.ts';
import { removeContainers } from './support/podman.ts';
import { waitFor } from './support/wait.ts';

/** What one runtime does with a case's commands; everything that differs by its nature is replaced by a word. */
class Session {
  readonly container: string;
  readonly transcript: Outcome[] = [];
  readonly #runtime: string;

  constructor(label: string, runtime: string) {
    this.container = `forward-${label}`;
    this.#runtime = runtime;
  }

  get statuses(): readonly number[] {
    return this.transcript.map(({ status }) => status);
  }

  get stdout(): string {
    return this.transcript.map(({ stdout }) => stdout).join('');
  }

  /** `podman run` of the plain image under a fixed name. */
  run(options: readonly string[], command: readonly string[], more: CommandOptions = {}): Promise<Outcome> {
    return this.podman(['run', '--name', this.container, ...options, plainImage, ...command], more);
  }

  podman(args: readonly string[], more: CommandOptions = {}): Promise<Outcome> {
    return this.#note(run('podman', [`--runtime=${this.#runtime}`, ...args], more));
  }

  podmanOnTerminal(args: readonly string[], more: CommandOptions = {}): Promise<Outcome> {
    return this.#note(runOnTerminal('podman', [`--runtime=${this.#runtime}`, ...args], more));
  }

  /** A shell script in which "$@" is podman with this runtime. */
  shell(script: string): Promise<Outcome> {
    return this.#note(run('sh', ['-c', script, 'sh', 'podman', `--runtime=${this.#runtime}`]));
  }

  async #note(running: Promise<Outcome>): Promise<Outcome> {
    const { status, stdout, stderr } = await running;
    this.transcript.push({ status, stdout: this.#normalise(stdout), stderr: this.#normalise(stderr) });
    return { status, stdout, stderr };
  }

  #normalise(text: string): string {
    return text
      .replaceAll(this.#runtime, 'RUNTIME')
      .replaceAll(this.container, 'CONTAINER')
      .replace(/\b[0-9a-f]{64}\b/g, 'ID')
      .replace(/\b[0-9a-f]{12}\b/g, 'SHORT-ID')
      .replace(/\bu?crun\b/g, 'RUNTIME')
      .replace(/time="[^"]+"/g, 'TIME');
  }
}

interface Case {
  readonly name: string;
  readonly act: (session: Session) => Promise<unknown>;
  /** The exit status of each command, so that the runtimes cannot agree on an accident. */
  readonly statuses: readonly number[];
  /** What both must have printed. */
  readonly stdout?: RegExp;
}

/** A container that runs for as long as the case needs it. */
const started = (session: Session, ...options: string[]) =>
  session.run(['--detach', ...options], ['sleep', '1000']);

const cases: readonly Case[] = [
  { name: 'true', act: (s) => s.run([], ['true']), statuses: [0] },
  { name: 'false', act: (s) => s.run([], ['false']), statuses: [1] },
  { name: 'an exit status', act: (s) => s.run([], ['sh', '-c', 'exit 42']), statuses: [42] },
  {
    name: 'stdout and stderr',
    act: (s) => s.run([], ['sh', '-c', 'echo out; echo err >&2']),
    statuses: [0],
    stdout: /^out\n$/,
  },
  { name: 'a missing command', act: (s) => s.run([], ['/bin/no-such-thing']), statuses: [127] },
  { name: 'a file that cannot be executed', act: (s) => s.run([], ['/etc/not-executable']), statuses: [126] },
  { name: 'a directory as command', act: (s) => s.run([], ['/etc']), statuses: [126] },
  {
    name: 'a missing working directory',
    act: (s) => s.run(['--user', 'user', '--workdir', '/no/such'], ['true']),
    statuses: [126],
  },
  {
    name: 'what a process inherits',
    act: (s) =>
      s.run(
        [],
        [
          'sh',
          '-c',
          'grep -E "^(Sig[PBIC]|ShdPnd|Umask|Groups)" /proc/self/status; ulimit -a; cat /proc/self/oom_score_adj; ls /proc/self/fd; env',
        ],
      ),
    statuses: [0],
    // Node ignores SIGPIPE (bit 12) and its child must not. Others may be ignored by whoever runs the tests.
    stdout: /SigIgn:\t[0-9a-f]{12}[02468ace][0-9a-f]{3}\n/,
  },
  { name: 'an unknown user', act: (s) => s.run(['--user', 'nobody-here'], ['true']), statuses: [126] },
  { name: 'death by SIGKILL', act: (s) => s.run(['--init'], ['sh', '-c', 'kill -KILL $$']), statuses: [137] },
  { name: 'death by SIGTERM', act: (s) => s.run(['--init'], ['sh', '-c', 'kill -TERM $$']), statuses: [143] },
  {
    name: '-i with a pipe',
    act: (s) => s.run(['-i'], ['cat'], { input: 'from a pipe\n'.repeat(10_000) }),
    statuses: [0],
    stdout: /^(from a pipe\n){10000}$/,
  },
  {
    name: 'without -i the input is empty',
    act: (s) => s.run([], ['cat'], { input: 'unseen' }),
    statuses: [0],
    stdout: /^$/,
  },
  {
    name: '-t gives a terminal',
    act: (s) =>
      s.podmanOnTerminal(['run', '--name', s.container, '-t', plainImage, 'sh', '-c', 'tty; echo err >&2']),
    statuses: [0],
    stdout: /^\/dev\/pts\/0\r\nerr\r\n$/,
  },
  {
    name: '-it reads from a terminal, and passes its exit status on',
    act: (s) =>
      s.podmanOnTerminal(
        [
          'run',
          '--name',
          s.container,
          '-it',
          plainImage,
          'sh',
          '-c',
          'echo go; read -r line; echo "<$line>"; exit 5',
        ],
        // Before podman has made the terminal its own, that would echo what is typed.
        { input: 'typed\n', typesAfter: /go\r\n/ },
      ),
    statuses: [5],
    stdout: /<typed>\r\n$/,
  },
  {
    name: 'exec',
    act: async (s) => {
      await started(s);
      await s.podman(['exec', s.container, 'sh', '-c', 'echo out; echo err >&2; exit 3']);
      await s.podman(['exec', s.container, '/bin/no-such-thing']);
      await s.podman(['exec', s.container, '/etc/not-executable']);
      await s.podman(['exec', '-i', s.container, 'cat'], { input: 'piped' });
      await s.podman([
        'exec',
        '--user',
        '1000',
        '--env',
        'A=b c',
        '--workdir',
        '/etc',
        s.container,
        'sh',
        '-c',
        'id; pwd; echo "$A"',
      ]);
      await s.podmanOnTerminal(['exec', '-it', s.container, 'sh', '-c', 'tty; exit 4']);
      await s.podman(['exec', s.container, 'sh', '-c', 'kill -KILL $$']);
      await s.podman(['exec', '--detach', s.container, 'touch', '/made-by-exec']);
      await waitFor('the detached command', async () => {
        return (await run('podman', ['exec', s.container, 'ls', '/made-by-exec'])).status === 0;
      });
    },
    statuses: [0, 3, 127, 126, 0, 0, 4, 137, 0],
    stdout: /out\npiped.*\/etc\nb c\n\/dev\/pts\/\d+\r\n/s,
  },
  {
    name: 'exec in a container that has stopped',
    act: async (s) => {
      await s.run([], ['true']);
      await s.podman(['exec', s.container, 'true']);
    },
    statuses: [0, 255],
  },
  {
    name: 'pause and unpause',
    act: async (s) => {
      await started(s);
      await s.podman(['pause', s.container]);
      await s.podman(['inspect', '--format', '{{.State.Status}}', s.container]);
      await s.podman(['pause', s.container]);
      await s.podman(['unpause', s.container]);
      await s.podman(['inspect', '--format', '{{.State.Status}}', s.container]);
      await s.podman(['unpause', s.container]);
    },
    statuses: [0, 0, 0, 125, 0, 0, 125],
    stdout: /\npaused\n.*\nrunning\n/s,
  },
  {
    name: 'stop, start and kill',
    act: async (s) => {
      await s.run(
        ['--detach'],
        ['sh', '-c', 'trap "echo ended; exit 9" TERM; echo ready; while :; do sleep 0.1; done'],
      );
      await waitFor(
        'the trap',
        async () => (await run('podman', ['logs', s.container])).stdout === 'ready\n',
      );
      await s.podman(['stop', '--time', '10', s.container]);
      await s.podman(['inspect', '--format', '{{.State.ExitCode}}', s.container]);
      await s.podman(['start', s.container]);
      await s.podman(['kill', '--signal', 'KILL', s.container]);
      await s.podman(['wait', s.container]);
      await s.podman(['kill', s.container]);
    },
    statuses: [0, 0, 0, 0, 0, 0, 125],
    stdout: /\n9\n.*\n137\n$/s,
  },
  {
    name: '--preserve-fds',
    act: (s) =>
      s.shell(
        `echo 'through a descriptor' | "$@" run --name ${s.container} --preserve-fds=1 ${plainImage} sh -c 'cat <&3' 3<&0 </dev/null`,
      ),
    statuses: [0],
    stdout: /^through a descriptor\n$/,
  },
  {
    name: 'LISTEN_FDS',
    act: (s) =>
      s.shell(
        `echo 'from a listener' | LISTEN_FDS=1 sh -c 'LISTEN_PID=$$ exec "$@" 3<&0 </dev/null' sh ` +
          `"$@" run --name ${s.container} ${plainImage} sh -c 'echo "$LISTEN_FDS $LISTEN_PID"; cat <&3'`,
      ),
    statuses: [0],
    stdout: /^1 1\nfrom a listener\n$/,
  },
  {
    name: '--init',
    act: (s) => s.run(['--init'], ['sh', '-c', 'cat /proc/1/comm; echo $$']),
    statuses: [0],
    stdout: /^podman-init\n2\n$/,
  },
  {
    name: '--pid=host',
    act: (s) => s.run(['--pid=host'], ['sh', '-c', 'test $$ -ne 1 && grep -c in-test-env /proc/1/cmdline']),
    statuses: [0],
    stdout: /^1\n$/,
  },
  {
    name: 'the settings of a process',
    act: (s) =>
      s.run(
        [
          '--user',
          '1000:1000',
          '--workdir',
          '/etc',
          '--env',
          'A=b c',
          '--hostname',
          'some-host',
          '--env',
          'PORT=80',
        ].concat([
          '--cap-drop',
          'all',
          '--security-opt',
          'no-new-privileges',
          '--ulimit',
          'nofile=100:200',
          '--ulimit',
          'nproc=99:99',
        ]),
        [
          'sh',
          '-c',
          'id; pwd; echo "$A"; hostname; ulimit -n; ulimit -Hn; grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status',
        ],
      ),
    statuses: [0],
    stdout: /CapEff:\t0{16}\n.*NoNewPrivs:\t1\nSeccomp:\t2\n$/s,
  },
  {
    name: '--cap-add and --cap-drop',
    act: (s) => s.run(['--cap-drop', 'all', '--cap-add', 'net_admin'], ['grep', '^Cap', '/proc/self/status']),
    statuses: [0],
    stdout: /CapEff:\t0{12}1000\n/,
  },
  {
    name: '--read-only, tmpfs and volumes',
    act: (s) =>
      s.run(
        ['--read-only', '--tmpfs', '/scratch', '--volume', '/usr/share/zoneinfo:/data:ro'],
        ['sh', '-c', 'touch /scratch/a && echo fine; ls /data/UTC; touch /data/a; touch /a'],
      ),
    statuses: [1],
    stdout: /^fine\n\/data\/UTC\n$/,
  },
  {
    name: 'limits',
    act: (s) =>
      s.run(
        ['--memory', '32m', '--pids-limit', '77', '--cpus', '0.5'],
        [
          'sh',
          '-c',
          'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us 2>/dev/null || cat memory.max pids.max cpu.max',
        ],
      ),
    statuses: [0],
    stdout: /^33554432\n77\n50000/,
  },
  {
    name: 'a user namespace',
    act: (s) =>
      s.run(
        ['--uidmap', '0:100000:2000', '--gidmap', '0:100000:2000'],
        ['sh', '-c', 'id -u; cat /proc/self/uid_map'],
      ),
    statuses: [0],
    stdout: /^0\n +0 +100000 +2000\n$/,
  },
  {
    name: '--rm',
    act: async (s) => {
      await s.run(['--rm'], ['true']);
      await s.podman(['container', 'exists', s.container]);
    },
    statuses: [0, 1],
  },
  {
    name: 'top and stats',
    act: async (s) => {
      await started(s);
      await s.podman(['top', s.container, 'pid', 'args']);
      await s.podman(['stats', '--no-stream', '--format', '{{.Name}} {{.PIDs}}', s.container]);
    },
    statuses: [0, 0, 0],
    stdout: /\n1 +sleep 1000 *\nCONTAINER 1\n$/,
  },
  {
    name: 'health checks',
    act: async (s) => {
      await started(s, '--health-cmd', 'test -e /healthy', '--health-retries', '1');
      await s.podman(['healthcheck', 'run', s.container]);
      await s.podman(['exec', s.container, 'touch', '/healthy']);
      await s.podman(['healthcheck', 'run', s.container]);
      await s.podman(['inspect', '--format', '{{.State.Healthcheck.Status}}', s.container]);
    },
    statuses: [0, 1, 0, 0, 0],
    stdout: /healthy\n$/,
  },
  {
    name: 'a pod of two',
    act: async (s) => {
      const pod = `${s.container}-pod`;
      await s.podman(['pod', 'create', '--name', pod]);
      await s.run(['--detach', '--pod', pod], ['httpd', '-f', '-p', '8000', '-h', '/etc']);
      await waitFor('the server', async () => {
        const probe = await run('podman', [
          'exec',
          s.container,
          'wget',
          '-q',
          '-O-',
          'http://127.0.0.1:8000/passwd',
        ]);
        return probe.status === 0;
      });
      await s.podman([
        'run',
        '--rm',
        '--pod',
        pod,
        plainImage,
        'wget',
        '-q',
        '-O-',
        'http://127.0.0.1:8000/group',
      ]);
      await s.podman(['pod', 'rm', '--force', '--time', '0', pod]);
    },
    statuses: [0, 0, 0, 0],
    stdout: /root:x:0:\n/,
  },
  {
    name: 'update',
    act: async (s) => {
      await started(s, '--memory', '64m');
      await s.podman(['update', '--memory', '48m', s.container]);
      await s.podman([
        'exec',
        s.container,
        'sh',
        '-c',
        'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes 2>/dev/null || cat memory.max',
      ]);
    },
    statuses: [0, 0, 0],
    stdout: /\n50331648\n$/,
  },
  {
    name: 'restart after a failure',
    act: async (s) => {
      await s.run(['--restart', 'on-failure:2'], ['sh', '-c', 'echo again; exit 6']);
      await waitFor(
        'the second restart',
        async () => (await run('podman', ['logs', s.container])).stdout === 'again\n'.repeat(3),
      );
      await s.podman(['wait', s.container]);
    },
    statuses: [6, 0],
    stdout: /6\n$/,
  },
  {
    name: 'create, start --attach',
    act: async (s) => {
      await s.podman(['create', '--name', s.container, '-i', plainImage, 'sh', '-c', 'cat; exit 8']);
      await s.podman(['start', '--attach', '--interactive', s.container], { input: 'attached\n' });
    },
    statuses: [0, 8],
    stdout: /\nattached\n$/,
  },
  {
    name: 'a container that was never started is removed',
    act: async (s) => {
      await s.podman(['create', '--name', s.container, plainImage, 'true']);
      await s.podman(['init', s.container]);
      await s.podman(['rm', s.container]);
    },
    statuses: [0, 0, 0],
  },
];

await buildPlainImage();
for (const { name, act, statuses, stdout } of cases) {
  t.test(name, async (t) => {
    const sessions = [new Session('crun', '/usr/bin/crun'), new Session('ucrun', ucrun)] as const;
    t.teardown(() => removeContainers(...sessions.map(({ container }) => container)));
    for (const session of sessions) await act(session);
    const [crun, ours] = sessions;
    t.strictSame(crun.statuses, statuses, 'crun ends as expected');
    if (stdout !== undefined) t.match(crun.stdout, stdout, 'crun prints what is expected');
    t.strictSame(ours.transcript, crun.transcript, 'ucrun does the same');
  });
}
