import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { isErrno } from '../../src/base/errno.ts';
import type { Accelerator } from '../../src/unikernel/accelerator.ts';
import { kvmCpus } from '../../src/unikernel/accelerator.ts';
import { fileServers } from '../../src/unikernel/file-servers.ts';
import type { ExitValues } from '../../src/unikernel/guests/guest.ts';
import { renderLaunchScript, unstartedScript } from '../../src/unikernel/launch-script.ts';
import type { MachinePlan } from '../../src/unikernel/machine.ts';
import { passtServer } from '../../src/unikernel/network/passt-server.ts';
import { probeGuestElf, probeSuccessStatus } from '../../src/unikernel/probe-guest.ts';
import { qemuArgs } from '../../src/unikernel/qemu-args.ts';
import { sandboxPaths } from '../../src/unikernel/sandbox-paths.ts';
import type { SandboxServer } from '../../src/unikernel/sandbox-server.ts';
import { goldenFiles, matchesGolden } from './support/golden.ts';
import { kvm, microvm, noNetwork, overlay, passtNetwork, q35, tapNetwork, tcg } from './support/plans.ts';
import { shells } from './support/shells.ts';

const pollMs = 10;
/**
 * What ends at once takes long where the host is busy. It is shorter than what the scripts have running that ends by itself, so that what
 * they leave behind is found.
 */
const patienceMs = 15_000;

/** Places in the script that tests wait for: there it makes a file of that name. */
const marks = {
  /** The grace period runs. */
  timing: 'nap=$!',
  /** A server is started, and what starts it knows that. */
  serving: '  child=$!',
  /** A server is waited for. */
  awaiting: 'await_server() {',
} as const;

function withMarks(script: string): string {
  return Object.entries(marks).reduce(
    (text, [name, place]) =>
      text.replaceAll(`${place}\n`, () => `${place}\n : >${sandboxPaths.run}/${name}\n`),
    script.replaceAll('sleep 5 &', 'sleep 30 &'),
  );
}

const folder = mkdtempSync(join(tmpdir(), 'ucrun-launch-'));
t.teardown(() => rmSync(folder, { recursive: true }));

interface LaunchOptions {
  /** What stands in for QEMU: the text of a shell script, in which $RUN is the folder that is /ucrun/run. */
  readonly vmm: string;
  readonly graceMs?: number;
  readonly input?: string;
  readonly accelerator?: Accelerator['kind'];
  readonly exitValues?: ExitValues;
  /** What stands in for a virtiofsd that listens on $RUN/fs1.sock, in the same way; undefined: there is none. */
  readonly server?: string;
  /** What stands in for a passt that writes to $RUN/passt.pid. */
  readonly passt?: string;
  /** Where in $RUN/disk0 the guest's last words are. */
  readonly klogOffset?: number;
  readonly pressesButton?: boolean;
  /** Changes the script before it is run. */
  readonly edit?: (script: string) => string;
}

interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A launch script that runs, outside of any sandbox, in a process group of its own. */
class Launched {
  static #count = 0;
  readonly run: string;
  /** The exit status, whoever still holds the pipes. */
  readonly status: Promise<number | null>;
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  constructor(
    shell: readonly string[],
    {
      vmm,
      graceMs = 30_000,
      input,
      accelerator = 'tcg',
      exitValues = {},
      server,
      passt,
      klogOffset,
      pressesButton = false,
      edit = (script) => script,
    }: LaunchOptions,
  ) {
    const home = join(folder, String(Launched.#count++));
    this.run = join(home, 'run');
    mkdirSync(this.run, { recursive: true });
    const standIn = (
      name: SandboxServer['name'],
      text: string | undefined,
      ready: string,
      errors: string,
    ): readonly SandboxServer[] =>
      text === undefined
        ? []
        : [{ name, command: ['/bin/sh', '-c', `RUN='${this.run}'\n${text}`], ready, errors }];
    const script = renderLaunchScript({
      qemu: '/bin/sh',
      args: ['-c', `RUN='${this.run}'\n${vmm}`, '-accel', accelerator],
      servers: [
        standIn('virtiofsd', server, sandboxPaths.shareSocket('fs1'), sandboxPaths.shareErrors('fs1')),
        standIn('passt', passt, `${sandboxPaths.run}/passt.pid`, `${sandboxPaths.run}/passt.err`),
      ].flat(),
      graceMs,
      klog: klogOffset === undefined ? undefined : { path: join(this.run, 'disk0'), offset: klogOffset },
      exitValues,
      pressesButton,
    });
    const file = join(home, 'launch');
    writeFileSync(file, withMarks(edit(script)).replaceAll(sandboxPaths.run, this.run));
    const [program = '', ...args] = shell;
    this.#child = spawn(program, [...args, file], { detached: true, env: { PATH: '/usr/bin:/bin' } });
    this.#child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.#stdout += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.#stderr += text;
    });
    const closed = once(this.#child, 'close');
    const exited = once(this.#child, 'exit');
    this.status = exited.then(([status]) => status);
    this.ended = exited.then(async ([status, signal]) => {
      // Who holds the pipes longer than that is left over, which killRest() finds out.
      await Promise.race([closed, sleep(patienceMs, undefined, { ref: false })]);
      return { status, signal, stdout: this.#stdout, stderr: this.#stderr };
    });
    // Whoever does not read its input breaks the pipe.
    this.#child.stdin?.on('error', () => {});
    if (input !== undefined) this.#child.stdin?.end(input);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Signals all of its processes, as systemd does those of a scope. */
  killAll(signal: NodeJS.Signals): void {
    process.kill(-(this.#child.pid as number), signal);
  }

  /** Waits until the script, or what stands in for QEMU, has printed this. */
  async printed(text: string): Promise<void> {
    while (!this.#stdout.includes(text)) await sleep(pollMs);
  }

  /** Waits until the script has passed one of its marks. */
  async passed(mark: keyof typeof marks): Promise<void> {
    while (!existsSync(join(this.run, mark))) await sleep(pollMs);
  }

  /** Waits until the script has for a while had nothing to do but to wait, and no signal was on its way to it. */
  async idle(): Promise<void> {
    for (let times = 0; times < 15; await sleep(pollMs)) {
      const status = textOf(`/proc/${this.#child.pid}/status`);
      if (status === '') return;
      times = /^State:\tS[\s\S]*^SigPnd:\t0+\nShdPnd:\t0+$/m.test(status) ? times + 1 : 0;
    }
  }

  /**
   * Waits until what stands in for QEMU is up, and the script knows it: then it has put its stderr aside. A signal before that finds
   * no machine whose power button anyone could have pressed.
   */
  async running(): Promise<void> {
    await this.printed('up');
    while (!existsSync(`/proc/${this.#child.pid}/fd/9`)) await sleep(pollMs);
  }

  /** Ends what is left of the process group after a while. @returns whether anything was */
  async killRest(patience = patienceMs): Promise<boolean> {
    const group = this.#child.pid as number;
    for (const deadline = Date.now() + patience; isGroupAlive(group); await sleep(50)) {
      if (Date.now() < deadline) continue;
      try {
        process.kill(-group, 'SIGKILL');
        return true;
      } catch (error) {
        // It has ended in between.
        if (!isErrno(error, 'ESRCH')) throw error;
      }
    }
    return false;
  }
}

/** Whether a process group has a process that has not ended. Those that have may long wait for somebody to reap them. */
function isGroupAlive(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch (error) {
    if (isErrno(error, 'ESRCH')) return false;
    throw error;
  }
  return readdirSync('/proc').some((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const stat = textOf(`/proc/${pid}/stat`);
    const [state, , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return processGroup === String(group) && state !== 'Z' && state !== 'X';
  });
}

/** A file of /proc; nothing if the process is gone by now. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Shells have words of their own for a death by signal. */
const shellSaysSo = /^$|Killed|Segmentation|Abort|Terminated/;

const usual = { signal: null, stdout: '', stderr: '' };
/** Runs until it is told to end, and says when it is ready for that. */
const endless = (onTerm: string) => `trap '${onTerm}' TERM; echo up; while :; do sleep 0.02; done`;

/** Listens as virtiofsd does, and goes on with a piece of JavaScript. */
const serves = (script = '') =>
  `exec '${process.execPath}' -e 'require("net").createServer().listen(process.argv[1]); ${script}' "$RUN/fs1.sock"`;
/** Listens until the file $RUN/die is there. */
const servesUntilDie = (status: number) =>
  serves(`const die = require("path").dirname(process.argv[1]) + "/die";
    setInterval(() => {
      if (!require("fs").existsSync(die)) return;
      console.error("[now ERROR virtiofsd] gone");
      process.exit(${status});
    }, 10)`);

/** QEMU's word for why it ends, as a command that says it where QEMU would. */
const reports = (reason: string) =>
  `echo '{"timestamp": {"seconds": 1}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "${reason}"}}' >>"$RUN/events.out"`;
/** What a Nanos kernel leaves on its disk, whose first 700 bytes are others, as a command that leaves it. */
const lastWords = (code: number, magic = 'KLOG') => {
  const area = Buffer.concat([Buffer.from(magic.padEnd(4, '\0')), Buffer.alloc(12, 'boot id')]);
  area.writeInt32LE(code, 12);
  const bytes = [...area].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
  return `{ head -c 700 /dev/zero | tr '\\0' K; printf '${bytes}words'; } >"$RUN/disk0"`;
};
const panicked = 'ucrun: the guest panicked\n';
const reset = 'ucrun: the guest reset itself\n';

const kinds = shells().flatMap(([name, shell]) =>
  (['tcg', 'kvm'] as const).map((accelerator) => ({ name: `${name}, ${accelerator}`, shell, accelerator })),
);

for (const { name, shell, accelerator } of kinds) {
  const launch = (options: LaunchOptions) => new Launched(shell, { accelerator, ...options });
  /** A launch to its end, which nothing may survive. */
  const outcome = async (t: Test, launched: Launched): Promise<Ended> => {
    const ended = await launched.ended;
    t.equal(await launched.killRest(), false, 'no process is left');
    return ended;
  };

  t.test(`the launch script under ${name}: how it ends when the guest has`, async (t) => {
    const cases: readonly [what: string, vmm: string, expected: object][] = [
      ['QEMU ended by itself', 'exit 0', { status: 0 }],
      ['the guest wrote 0 to isa-debug-exit', 'exit 1', { status: 0 }],
      ['the guest wrote 1', 'exit 3', { status: 1 }],
      ['the guest wrote 42', 'exit 85', { status: 42 }],
      ['the guest wrote 63', 'exit 127', { status: 63 }],
      ['the guest wrote 127', 'exit 255', { status: 127 }],
      ['an even status is none of isa-debug-exit', 'exit 2', { status: 2 }],
      [
        'QEMU failed',
        'echo "qemu: no such option" >&2; exit 1',
        { status: 125, stderr: 'ucrun: qemu: no such option\n' },
      ],
      [
        'QEMU failed in many words',
        'printf "a\\nb\\n" >&2; exit 1',
        { status: 125, stderr: 'ucrun: a\nucrun: b\n' },
      ],
      ['QEMU warned, and the guest wrote 0', 'echo "qemu: warning: old CPU" >&2; exit 1', { status: 0 }],
      [
        'QEMU warned and failed',
        'printf "q: warning: x\\n\\nq: no\\n" >&2; exit 1',
        { status: 125, stderr: 'ucrun: q: no\n' },
      ],
      [
        'QEMU complained, and the guest ended',
        'echo "qemu: odd" >&2; exit 85',
        { status: 42, stderr: 'ucrun: qemu: odd\n' },
      ],
      [
        'QEMU said strange things',
        `printf '%s\\n' '%s \\n $HOME "x"' >&2; exit 85`,
        { status: 42, stderr: 'ucrun: %s \\n $HOME "x"\n' },
      ],
      [
        'QEMU is told to report before it starts the machine',
        'read -r commands <"$RUN/events.in"; echo "$commands"; exit 0',
        { status: 0, stdout: '{"execute":"qmp_capabilities"} {"execute":"cont"}\n' },
      ],
      [
        'QEMU was killed',
        'kill -KILL $$',
        { status: 137, stderr: /^ucrun: QEMU was killed, .*out-of-memory/m },
      ],
      ['QEMU crashed', 'ulimit -c 0; kill -SEGV $$', { status: 139, stderr: shellSaysSo }],
      ['QEMU aborted', 'ulimit -c 0; kill -ABRT $$', { status: 134, stderr: shellSaysSo }],
      [
        'QEMU gave up, and said why',
        'ulimit -c 0; echo "qemu: no thread" >&2; kill -ABRT $$',
        { status: 125, stderr: /^ucrun: qemu: no thread\n/m },
      ],
      ['QEMU was ended by another', 'kill -TERM $$', { status: 143, stderr: shellSaysSo }],
      ['the exit byte wins over the status', `printf '\\052' >>"$RUN/exit"; exit 0`, { status: 42 }],
      ['the exit byte 0', `printf '\\0' >>"$RUN/exit"; exit 1`, { status: 0 }],
      [
        'the exit byte 200, which isa-debug-exit cannot say',
        `printf '\\310' >>"$RUN/exit"; exit 145`,
        { status: 200 },
      ],
      ['the exit byte 255', `printf '\\377' >>"$RUN/exit"; exit 255`, { status: 255 }],
      ['the first of many exit bytes', `printf '\\007abc' >>"$RUN/exit"; exit 0`, { status: 7 }],
      ['QEMU emptied the file of the exit byte', ': >"$RUN/exit"; exit 85', { status: 42, stderr: /^od: / }],
      ['a word of the console', 'echo hello; exit 0', { status: 0, stdout: 'hello\n' }],
      ['the guest panicked', `${reports('guest-panic')}; exit 0`, { status: 134, stderr: panicked }],
      ['the guest reset itself', `${reports('guest-reset')}; exit 0`, { status: 134, stderr: reset }],
      ['the guest powered off', `${reports('guest-shutdown')}; exit 0`, { status: 0 }],
      ['QEMU was told to quit', `${reports('host-qmp-quit')}; exit 0`, { status: 0 }],
      ['QEMU was ended by another, and said so', `${reports('host-signal')}; exit 0`, { status: 143 }],
      [
        'the exit byte wins over a panic',
        `printf '\\7' >>"$RUN/exit"; ${reports('guest-panic')}; exit 0`,
        { status: 7 },
      ],
      [
        'the status of isa-debug-exit wins over a reason, which newer QEMUs give then, too',
        `${reports('guest-shutdown')}; exit 85`,
        { status: 42 },
      ],
      [
        'QEMU complained, and the guest panicked',
        `echo "qemu: odd" >&2; ${reports('guest-panic')}; exit 0`,
        { status: 134, stderr: `ucrun: qemu: odd\n${panicked}` },
      ],
      [
        'a report is only text',
        `echo '$(echo no >&2) "; echo no >&2; \`echo no >&2\`' >>"$RUN/events.out"; exit 0`,
        { status: 0 },
      ],
      ['QEMU removed what it wrote', 'rm "$RUN"/*; exit 85', { status: 42 }],
      [
        'QEMU left traps to open in place of what it wrote',
        'for f in exit vmm.err events.out last-events; do rm -f "$RUN/$f"; mkfifo "$RUN/$f"; done; exit 0',
        { status: 0 },
      ],
    ];
    await Promise.all(
      cases.map(async ([what, vmm, expected]) => {
        t.match(await outcome(t, launch({ vmm })), { ...usual, ...expected }, what);
      }),
    );
  });

  t.test(`the launch script under ${name}: values that mean something else to the guest`, async (t) => {
    const exitValues: ExitValues = { 41: 'ended', 42: 'crashed' };
    const cases: readonly [vmm: string, expected: object][] = [
      ['exit 83', { status: 0 }],
      ['exit 85', { status: 134, stderr: 'ucrun: the guest panicked\n' }],
      ['exit 87', { status: 43 }],
      ['exit 0', { status: 0 }],
      ['printf "\\007" >>"$RUN/exit"; exit 83', { status: 7 }],
      ['echo "qemu: odd" >&2; exit 1', { status: 125 }],
    ];
    await Promise.all(
      cases.map(async ([vmm, expected]) => {
        t.match(await outcome(t, launch({ vmm, exitValues })), { signal: null, ...expected }, vmm);
      }),
    );
  });

  t.test(`the launch script under ${name}: the code in a Nanos guest's last words`, async (t) => {
    const klogOffset = 700;
    const cases: readonly [what: string, vmm: string, expected: object][] = [
      ...[1, 42, 128, 255].map((code): [string, string, object] => [
        `the code ${code}`,
        `${lastWords(code)}; exit ${((code << 1) | 1) & 0xff}`,
        { status: code },
      ]),
      ['a power-off', `${lastWords(200)}; exit 0`, { status: 200 }],
      ['the lowest byte of a larger code', `${lastWords(263)}; exit 15`, { status: 7 }],
      ['a larger code whose lowest byte is 0', `${lastWords(256)}; exit 1`, { status: 0 }],
      ['the code 0', `${lastWords(0)}; exit 85`, { status: 42 }],
      ['the number of a stop signal that nobody sent', `${lastWords(15)}; exit 31`, { status: 15 }],
      ['no last words', `${lastWords(9, '')}; exit 85`, { status: 42 }],
      ['other words', `${lastWords(9, 'GOLK')}; exit 85`, { status: 42 }],
      ['words that are cut off', `${lastWords(9)}; truncate -s 712 "$RUN/disk0"; exit 85`, { status: 42 }],
      ['no place for them', 'exit 85', { status: 42 }],
      ['a trap in that place', 'mkfifo "$RUN/disk0"; exit 85', { status: 42 }],
      ['the exit byte wins over them', `printf '\\7' >>"$RUN/exit"; ${lastWords(9)}; exit 19`, { status: 7 }],
      ['they win over a panic', `${lastWords(127)}; ${reports('guest-panic')}; exit 0`, { status: 127 }],
    ];
    await Promise.all(
      cases.map(async ([what, vmm, expected]) => {
        t.match(await outcome(t, launch({ vmm, klogOffset })), { ...usual, ...expected }, what);
      }),
    );
    const stops: readonly [what: string, vmm: string, graceMs: number, status: number][] = [
      [
        'the number of the signal that ended it',
        `until [ -e "$RUN/pressed" ]; do sleep 0.02; done; ${lastWords(15)}; exit 31`,
        30_000,
        143,
      ],
      [
        'a code of its own',
        `until [ -e "$RUN/pressed" ]; do sleep 0.02; done; ${lastWords(3)}; exit 7`,
        30_000,
        3,
      ],
      ['nothing in its time', endless('exit 0'), 0, 143],
    ];
    await Promise.all(
      stops.map(async ([what, vmm, graceMs, status]) => {
        const launched = launch({ vmm: `echo up; ${vmm}`, graceMs, klogOffset });
        await launched.running();
        launched.kill('SIGTERM');
        await launched.passed('timing');
        writeFileSync(join(launched.run, 'pressed'), '');
        t.match(await outcome(t, launched), { status }, `after a stop signal: ${what}`);
      }),
    );
  });

  t.test(`the launch script under ${name}: a QEMU that cannot be started`, async (t) => {
    const notThere = launch({ vmm: '', edit: (script) => script.replace("'/bin/sh'", "'/nowhere/qemu'") });
    t.match(await outcome(t, notThere), { status: 125, stderr: /^ucrun: .*\/nowhere\/qemu.*\n$/ });
    const noProgram = launch({ vmm: '', edit: (script) => script.replace("'/bin/sh'", "'/etc/passwd'") });
    t.match(await outcome(t, noProgram), { status: 125, stderr: /^(?:ucrun: .*\/etc\/passwd.*\n)+$/ });
  });

  t.test(`the launch script under ${name}: the console is QEMU's`, async (t) => {
    const echo = launch({ vmm: 'exec cat', input: 'one\ntwo\n' });
    t.match(
      await outcome(t, echo),
      { ...usual, status: 0, stdout: 'one\ntwo\n' },
      'stdin reaches it, and so does its end',
    );
    const piped = new Launched(['sh', '-c', 'echo one | "$@"', 'sh', ...shell], {
      accelerator,
      vmm: 'read -r line; echo "$line"; grep flags /proc/$$/fdinfo/0; exit 85',
    });
    t.match(
      await outcome(t, piped),
      { ...usual, status: 42, stdout: /^one\nflags:\t\d*2\n$/ },
      'a pipe has it as a writer, too, and so does not hang up',
    );
    const deaf = launch({ vmm: 'exit 85', input: 'x'.repeat(1000) });
    t.match(
      await outcome(t, deaf),
      { ...usual, status: 42 },
      'what it does not read is nobody else’s to read',
    );
    const descriptor = launch({ vmm: 'for n in 3 5 6 7; do [ ! -e /proc/$$/fd/$n ] || echo open; done' });
    t.match(
      await outcome(t, descriptor),
      { ...usual, status: 0 },
      'no descriptor of the script is handed to it',
    );
  });

  t.test(`the launch script under ${name}: a stop signal gives the guest its time`, async (t) => {
    const signals = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGPWR'] as const;
    const graceMs = 300;
    await Promise.all(
      signals.map(async (signal) => {
        const launched = launch({ vmm: endless('echo TERM; exit 0'), graceMs });
        await launched.running();
        const sent = performance.now();
        launched.kill(signal);
        t.match(
          await launched.ended,
          { ...usual, status: 143, stdout: 'up\nTERM\n' },
          `${signal}: QEMU got TERM`,
        );
        t.ok(performance.now() - sent >= graceMs, `${signal}: not before the time was over`);
        t.equal(await launched.killRest(), false);
      }),
    );
  });

  t.test(`the launch script under ${name}: PWR for all processes, as systemd stops a scope`, async (t) => {
    /** Reads the commands that it was started with, and the next that comes, for which it takes its time. */
    const reads =
      'exec 9<"$RUN/events.in"; read -r first <&9; echo "$first"; read -r button <&9; echo "$button"; sleep 0.3';
    const commands = '{"execute":"qmp_capabilities"} {"execute":"cont"}\n{"execute":"system_powerdown"}\n';
    const passt = 'echo 7 >"$RUN/passt.pid"; while :; do sleep 0.05; done';
    const cases: readonly [what: string, options: LaunchOptions, times: number, expected: object][] = [
      [
        'the guest ends by its button',
        { vmm: `echo up; ${reads}; exit 85` },
        1,
        { status: 42, stdout: `up\n${commands}` },
      ],
      [
        'systemd finds processes that are new, and signals again; a server goes on',
        { vmm: `echo up; ${reads}; exit 85`, passt },
        5,
        { status: 42, stdout: `up\n${commands}` },
      ],
      [
        'QEMU opens the pipe later',
        { vmm: `echo up; sleep 0.5; ${reads}; exit 0` },
        1,
        { status: 0, stdout: `up\n${commands}` },
      ],
      [
        'the guest does not hear its button, and is switched off',
        { vmm: endless('echo TERM; exit 0'), graceMs: 300, passt },
        5,
        { status: 143, stdout: 'up\nTERM\n' },
      ],
      [
        'QEMU filled the pipe',
        {
          vmm: `trap 'echo TERM; kill $filler; exit 0' TERM; { while :; do echo; done >"$RUN/events.in"; } & filler=$!
            sleep 0.3; echo up; while :; do sleep 0.02; done`,
          graceMs: 300,
        },
        1,
        { status: 143, stdout: 'up\nTERM\n' },
      ],
    ];
    await Promise.all(
      cases.map(async ([what, options, times, expected]) => {
        const launched = launch({ ...options, pressesButton: true });
        await launched.running();
        for (let time = 0; time < times; time++) {
          launched.killAll('SIGPWR');
          await sleep(20);
        }
        t.match(await outcome(t, launched), { ...usual, ...expected }, what);
      }),
    );
    const pressed = launch({ vmm: `echo up; ${reads}`, pressesButton: true, graceMs: 300 });
    await pressed.running();
    pressed.kill('SIGTERM');
    t.match(
      await outcome(t, pressed),
      { status: 143, stdout: 'up\n{"execute":"qmp_capabilities"} {"execute":"cont"}\n' },
      'for another signal who sends it presses the button',
    );
    const copy = launch({
      vmm: 'echo started',
      edit: (script) =>
        script.replace(/^ {2}trap '' PWR\n {2}#/m, () => "  kill -PWR $(exec sh -c 'echo $PPID')\n  #"),
    });
    t.match(await outcome(t, copy), { status: 143, stdout: '' }, 'a QEMU that is still a copy of the script');
  });

  t.test(`the launch script under ${name}: other endings after a stop signal`, async (t) => {
    const stop = async (options: LaunchOptions, during: (launched: Launched) => Promise<void>) => {
      const launched = launch(options);
      await launched.running();
      launched.kill('SIGTERM');
      await during(launched);
      return await outcome(t, launched);
    };
    const stopped = { ...usual, stdout: 'up\n' };
    const nothing = async () => {};
    const onButton = 'echo up; until [ -e "$RUN/pressed" ]; do sleep 0.02; done';
    const press = async (launched: Launched) => {
      await launched.passed('timing');
      writeFileSync(join(launched.run, 'pressed'), '');
    };
    await Promise.all([
      stop({ vmm: `${onButton}; exit 85` }, press).then((ended) => {
        t.match(ended, { ...stopped, status: 42 }, 'a guest that ends in time has its own status');
      }),
      stop({ vmm: `${onButton}; exit 0` }, press).then((ended) => {
        t.match(ended, { ...stopped, status: 0 }, 'a guest that powers off in time ended well');
      }),
      stop({ vmm: `${onButton}; printf '\\011' >>"$RUN/exit"; exit 0` }, press).then((ended) => {
        t.match(ended, { ...stopped, status: 9 }, 'and with its exit byte, if it wrote one');
      }),
      stop({ vmm: `${onButton}; ${reports('guest-reset')}; exit 0` }, press).then((ended) => {
        t.match(ended, { ...stopped, status: 0 }, 'or by a reset');
      }),
      stop({ vmm: `${onButton}; ${reports('guest-panic')}; exit 0` }, press).then((ended) => {
        t.match(ended, { ...stopped, status: 134, stderr: panicked }, 'but a panic is a panic');
      }),
      stop(
        { vmm: `ended() { ${reports('host-signal')}; exit 0; }; ${endless('ended')}`, graceMs: 0 },
        nothing,
      ).then((ended) => {
        t.match(ended, { ...stopped, status: 143 }, 'no grace: switched off at once');
      }),
      stop(
        { vmm: endless('echo "qemu: terminating on signal 15 from pid 1 (x)" >&2; exit 0'), graceMs: 0 },
        nothing,
      ).then((ended) => {
        t.match(ended, { ...stopped, status: 143 }, 'what QEMU says of it is not worth repeating');
      }),
      stop({ vmm: endless('exit 1'), graceMs: 0 }, nothing).then((ended) => {
        t.match(ended, { ...stopped, status: 143 }, 'switched off is switched off, whatever QEMU made of it');
      }),
      stop(
        {
          vmm: `trap 'echo TERM' TERM; echo up; until [ -e "$RUN/pressed" ]; do sleep 0.02; done; exit 0`,
          graceMs: 150,
        },
        async (launched) => {
          launched.kill('SIGTERM');
          launched.kill('SIGINT');
          await launched.printed('TERM');
          launched.kill('SIGTERM');
          await launched.idle();
          await sleep(500);
          await press(launched);
        },
      ).then((ended) => {
        t.match(
          ended,
          { ...stopped, status: 143, stdout: 'up\nTERM\n' },
          'more signals change nothing: QEMU gets one TERM',
        );
      }),
    ]);
  });

  t.test(`the launch script under ${name}: many stop signals at once`, async (t) => {
    const rounds = Array.from({ length: 10 }, async (_, round) => {
      const launched = launch({ vmm: 'echo up; until [ -e "$RUN/pressed" ]; do sleep 0.02; done; exit 85' });
      await launched.running();
      for (const delay of [round, 2 * round, 0]) {
        for (const signal of ['SIGTERM', 'SIGQUIT', 'SIGINT'] as const) launched.kill(signal);
        await sleep(delay);
      }
      await launched.passed('timing');
      await launched.idle();
      writeFileSync(join(launched.run, 'pressed'), '');
      const status = await launched.status;
      // The timer may have been killed before it was there; in a sandbox it goes with the script.
      await launched.killRest(0);
      return status;
    });
    t.strictSame(await Promise.all(rounds), Array(10).fill(42));
  });

  t.test(`the launch script under ${name}: a virtiofsd beside QEMU`, async (t) => {
    const cases: readonly [what: string, options: LaunchOptions, expected: object][] = [
      [
        'QEMU starts when it listens, and it ends with QEMU',
        { server: serves(), vmm: '[ -S "$RUN/fs1.sock" ] && exit 85' },
        { status: 42 },
      ],
      [
        'it cannot start',
        {
          server: `printf '%s\\n' '[now ERROR virtiofsd] no: \\n such' >&2; exit 1`,
          vmm: 'echo started',
        },
        { status: 125, stderr: 'ucrun: virtiofsd: no: \\n such\n' },
      ],
      [
        'it is not there',
        { server: 'exec /nowhere/virtiofsd', vmm: 'echo started' },
        { status: 125, stderr: /^ucrun: virtiofsd: .*\/nowhere\/virtiofsd/ },
      ],
      [
        'it never listens',
        {
          server: 'exec sleep 30',
          vmm: 'echo started',
          edit: (script) => script.replace('patience=500', 'patience=5'),
        },
        { status: 125, stderr: 'ucrun: virtiofsd does not start to listen\n' },
      ],
      [
        'it dies while the guest runs',
        { server: servesUntilDie(1), vmm: 'echo up; : >"$RUN/die"; exec sleep 30' },
        {
          status: 125,
          stdout: 'up\n',
          stderr: 'ucrun: virtiofsd ended before the guest\nucrun: virtiofsd: gone\n',
        },
      ],
      [
        'it leaves a QEMU that does not end',
        {
          server: servesUntilDie(0),
          vmm: ': >"$RUN/die"; exec sleep 30',
          edit: (script) => script.replace('sleep 5 &', 'sleep 0.1 &'),
        },
        { status: 125, stderr: 'ucrun: virtiofsd ended before the guest\nucrun: virtiofsd: gone\n' },
      ],
      [
        'it ends well a little before QEMU does',
        { server: servesUntilDie(0), vmm: ': >"$RUN/die"; sleep 0.3; exit 85' },
        { status: 42 },
      ],
      [
        'it dies when the guest has said how it ended',
        { server: servesUntilDie(1), vmm: `printf '\\007' >>"$RUN/exit"; : >"$RUN/die"; exec sleep 30` },
        { status: 7 },
      ],
      [
        'QEMU fails before it has connected',
        { server: serves(), vmm: 'echo "qemu: no" >&2; exit 1' },
        { status: 125, stderr: 'ucrun: qemu: no\n' },
      ],
    ];
    const besidePasst: typeof cases = [
      [
        'passt is ready when it has written its process id',
        {
          passt: `: >"$RUN/passt.pid"; sleep 0.2; echo 7 >"$RUN/passt.pid"; exec sleep 30`,
          vmm: '[ -s "$RUN/passt.pid" ] && exit 85',
        },
        { status: 42 },
      ],
      [
        'passt cannot start',
        {
          server: serves(),
          passt: "echo 'no interface' >&2; echo 'Failed to send 7 bytes to syslog' >&2; exit 1",
          vmm: 'echo started',
        },
        { status: 125, stderr: 'ucrun: passt: no interface\n' },
      ],
      [
        'passt dies while the guest runs, and virtiofsd does not',
        {
          server: serves('console.error("[now WARN virtiofsd] cold")'),
          passt: 'echo 7 >"$RUN/passt.pid"; until [ -e "$RUN/die" ]; do sleep 0.02; done; exit 1',
          vmm: 'echo up; : >"$RUN/die"; exec sleep 30',
        },
        { status: 125, stdout: 'up\n', stderr: 'ucrun: passt ended before the guest\n' },
      ],
    ];
    for (const [what, options, expected] of [...cases, ...besidePasst]) {
      const launched = launch(options);
      t.match(await outcome(t, launched), { ...usual, ...expected }, what);
    }
    const waiting = launch({ server: 'exec sleep 30', vmm: 'echo started' });
    await waiting.passed('serving');
    await waiting.passed('awaiting');
    waiting.kill('SIGTERM');
    t.match(await outcome(t, waiting), { ...usual, status: 143 }, 'a signal before it listens');
    const onButton = 'echo up; until [ -e "$RUN/pressed" ]; do sleep 0.02; done; exit 85';
    const stopped = launch({ server: serves(), vmm: onButton });
    await stopped.running();
    stopped.kill('SIGTERM');
    await stopped.passed('timing');
    writeFileSync(join(stopped.run, 'pressed'), '');
    t.match(await outcome(t, stopped), { ...usual, stdout: 'up\n', status: 42 }, 'a signal for the guest');
  });

  t.test(`the launch script under ${name}: a signal before there is a QEMU`, async (t) => {
    const launched = launch({
      vmm: 'echo started; exit 0',
      edit: (script) =>
        script.replace(/^trap switch_off .*$/m, '$&\necho trapped\nwhile :; do sleep 0.02; done'),
    });
    await launched.printed('trapped');
    launched.kill('SIGTERM');
    t.match(await outcome(t, launched), { ...usual, status: 143, stdout: 'trapped\n' });
  });

  t.test(`the launch script under ${name}: a signal before the script knows QEMU's process id`, async (t) => {
    const launched = launch({
      vmm: 'echo started; exec sleep 100',
      edit: (script) => script.replace(/^vmm=\$!$/m, () => 'pid=$!; kill -TERM $$; vmm=$pid'),
    });
    const began = performance.now();
    const { status, stderr } = await outcome(t, launched);
    t.strictSame({ status, stderr }, { status: 143, stderr: '' });
    t.ok(performance.now() - began < 60_000, 'QEMU did not go on to its own end');
  });

  t.test(`the launch script under ${name}: a signal just as the guest ends`, async (t) => {
    const started = performance.now();
    const rounds = Array.from({ length: 12 }, async (_, round) => {
      const delay = round % 2 === 0 ? '' : `sleep 0.00${round}; `;
      const launched = launch({ vmm: `sleep 0.1; kill -TERM $PPID; ${delay}exit 85`, graceMs: 100_000 });
      const status = await launched.status;
      // The timer may have been killed before it was there; in a sandbox it goes with the script.
      await launched.killRest(0);
      return status;
    });
    // bash may have lost what QEMU's status was; then it is as if the signal had ended it.
    const allowed = shell[0] === 'bash' ? [42, 143] : [42];
    const statuses = await Promise.all(rounds);
    t.ok(
      statuses.every((status) => status !== null && allowed.includes(status)),
      `statuses ${statuses.join(' ')}`,
    );
    t.ok(performance.now() - started < 60_000, 'nobody waited for the grace period to be over');
  });

  t.test(`the script of a container that was not started, under ${name}`, async (t) => {
    const launched = launch({ vmm: '', edit: () => unstartedScript });
    t.match(await outcome(t, launched), {
      ...usual,
      status: 125,
      stderr: 'ucrun: this container was not started through ucrun\n',
    });
  });
}

/** A machine that stopped and stays so until somebody ends QEMU; $commands is what it was told before. */
const stops = (state: string) => `exec 7<"$RUN/events.in"
read -r commands <&7
echo '{"timestamp": {"seconds": 1}, "event": "STOP"}' >>"$RUN/events.out"
read -r question <&7
echo "$question"
echo '{"return": {"status": "${state}", "singlestep": false, "running": false}}' >>"$RUN/events.out"`;

for (const [name, shell] of shells()) {
  t.test(`the launch script under ${name}: a machine that KVM cannot go on with`, async (t) => {
    const launch = (vmm: string) => new Launched(shell, { vmm, accelerator: 'kvm' });
    const stdout = '{"execute":"query-status"}\n';
    for (const state of ['internal-error', 'io-error']) {
      const stuck = launch(`ended() { ${reports('host-signal')}; exit 0; }
        echo "KVM: no" >&2; trap ended TERM; ${stops(state)}; while :; do sleep 0.02; done`);
      t.match(await stuck.ended, {
        ...usual,
        status: 125,
        stdout,
        stderr: `ucrun: KVM: no\nucrun: QEMU stopped the machine: ${state}\n`,
      });
      t.equal(await stuck.killRest(), false, 'no process is left');
    }
    const deaf = launch(`exec 7<"$RUN/events.in"; n=0
      while [ $n -lt 3000 ]; do echo '{"event": "STOP"}'; n=$((n + 1)); done >>"$RUN/events.out"; sleep 0.3; exit 0`);
    t.match(await deaf.ended, { ...usual, status: 0 }, 'a QEMU that does not read what it is asked');
    t.equal(await deaf.killRest(), false, 'no process is left');
    const paused = launch(`trap 'echo TERM' TERM; ${stops('paused')}; sleep 0.2; exit 85`);
    t.match(await paused.ended, { ...usual, status: 42, stdout }, 'one that was asked to stop is left alone');
    t.equal(await paused.killRest(), false, 'no process is left');
  });

  t.test(`the launch script under ${name}: much that QEMU reports`, async (t) => {
    const much = `head -c 900000 /dev/zero | tr '\\0' x >>"$RUN/events.out"; echo >>"$RUN/events.out"`;
    const launched = new Launched(shell, { vmm: `${much}; ${reports('guest-reset')}; exit 0` });
    t.match(await launched.ended, { ...usual, status: 134, stderr: reset }, 'the last report counts');
  });

  t.test(`the launch script under ${name}: a real KVM that cannot run a 64-bit guest`, async (t) => {
    for (const path of ['/dev/kvm', microvm.qemu]) {
      if (!isUsable(path)) return t.pass(`skipped: ${path} is not here`, { skip: `${path} is not here` });
    }
    const kernel = join(folder, 'probe.elf');
    writeFileSync(kernel, probeGuestElf());
    // The CPU that asks least of a nested host: with the other one QEMU may end before there is a machine.
    const accelerator = { ...kvm, cpu: kvmCpus.at(-1) ?? kvm.cpu };
    const machine = { ...microvm, accelerator, memoryMiB: 16 };
    const script = renderLaunchScript({
      qemu: machine.qemu,
      args: qemuArgs(machine, noNetwork, ''),
      graceMs: 1000,
      exitValues: {},
    });
    const launched = new Launched(shell, {
      vmm: '',
      edit: () => script.replace(sandboxPaths.kernel, kernel),
    });
    const patience = new AbortController();
    const ended = await Promise.race([
      launched.ended,
      sleep(patienceMs, undefined, { signal: patience.signal }).catch(() => undefined),
    ]);
    patience.abort();
    const errors = textOf(join(launched.run, 'vmm.err'));
    await launched.killRest(0);
    if (ended?.status === (probeSuccessStatus - 1) / 2) return t.pass('', { skip: 'KVM works here' });
    if (!errors.includes('KVM internal error')) {
      return t.pass('', { skip: `KVM fails in another way here: ${errors}` });
    }
    t.match(ended, { ...usual, status: 125, stderr: /^ucrun: KVM internal error/ }, 'it ends by itself');
    t.match(ended?.stderr, /^ucrun: QEMU stopped the machine: internal-error$/m);
    return undefined;
  });
}

function isUsable(path: string): boolean {
  try {
    accessSync(path, path.startsWith('/dev/') ? constants.R_OK | constants.W_OK : constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

t.test('renderLaunchScript() of whole command lines', async (t) => {
  for (const accelerator of [tcg, kvm]) {
    const args = qemuArgs({ ...microvm, accelerator }, tapNetwork, `greeting='hello' port=8080`);
    matchesGolden(
      t,
      `launch/microvm-tap-${accelerator.kind}`,
      renderLaunchScript({ qemu: microvm.qemu, args, graceMs: 5000, exitValues: {} }),
    );
  }
  const inScope = { qemu: microvm.qemu, graceMs: 5000, exitValues: {}, pressesButton: true };
  for (const accelerator of [tcg, kvm]) {
    const args = qemuArgs({ ...microvm, accelerator }, noNetwork, '');
    matchesGolden(t, `launch/microvm-scope-${accelerator.kind}`, renderLaunchScript({ ...inScope, args }));
  }
  const virtiofs: MachinePlan = {
    ...q35,
    guest: 'linux',
    virtiofsd: '/usr/libexec/virtiofsd',
    shares: [
      { driver: 'virtiofs', tag: 'fs1', readOnly: false },
      { driver: 'virtiofs', tag: 'fs2', readOnly: true },
    ],
  };
  matchesGolden(
    t,
    'launch/q35-virtiofs-tcg',
    renderLaunchScript({
      qemu: q35.qemu,
      args: qemuArgs(virtiofs, noNetwork, ''),
      servers: fileServers(virtiofs, 0),
      graceMs: 5000,
      exitValues: {},
    }),
  );
  matchesGolden(
    t,
    'launch/q35-passt-virtiofs-tcg',
    renderLaunchScript({
      qemu: q35.qemu,
      args: qemuArgs(virtiofs, passtNetwork, ''),
      servers: [...fileServers(virtiofs, 0), passtServer('/usr/bin/passt', passtNetwork, { uid: 0, gid: 7 })],
      graceMs: 5000,
      exitValues: {},
    }),
  );
  t.match(fileServers(virtiofs, 1000)[1]?.command.join(' '), ' --seccomp=kill ');
  t.strictSame(fileServers({ ...virtiofs, virtiofsd: undefined }, 0), []);
  matchesGolden(
    t,
    'launch/q35-nanos-tcg',
    renderLaunchScript({
      qemu: q35.qemu,
      args: qemuArgs({ ...q35, guest: 'nanos', disks: [overlay], modernVirtio: true }, noNetwork, ''),
      graceMs: 5000,
      klog: { path: sandboxPaths.disk(0), offset: 393_216 },
      exitValues: {},
    }),
  );
  t.strictSame(
    goldenFiles('launch'),
    [
      'microvm-scope-kvm',
      'microvm-scope-tcg',
      'microvm-tap-kvm',
      'microvm-tap-tcg',
      'q35-nanos-tcg',
      'q35-passt-virtiofs-tcg',
      'q35-virtiofs-tcg',
    ],
    'no golden file is left over',
  );
});

t.test('renderLaunchScript() writes the grace period in seconds', async (t) => {
  const sleeps = (graceMs: number) =>
    /sleep (\S+)/.exec(renderLaunchScript({ qemu: '/q', args: [], graceMs, exitValues: {} }))?.[1];
  t.equal(sleeps(5000), '5.000');
  t.equal(sleeps(1), '0.001');
  t.equal(sleeps(0), '0.000');
  t.equal(sleeps(3_600_000), '3600.000');
});

t.test('renderLaunchScript() touches nothing of the sandbox but its folder for running', async (t) => {
  const script = renderLaunchScript({ qemu: '/q', args: [], graceMs: 0, exitValues: {} });
  t.notMatch(script.replaceAll(sandboxPaths.run, ''), sandboxPaths.ucrun);
});
