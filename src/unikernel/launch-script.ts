import type { ExitValues } from './guests/guest.ts';
import { sandboxPaths } from './sandbox-paths.ts';
import type { SandboxServer } from './sandbox-server.ts';
import { shellQuote } from './shell-quote.ts';

/** What the container's exit status is when the guest did not choose one. */
export const exitStatuses = {
  /** QEMU never ran the guest; the status that podman uses for failures of its own making. */
  vmmFailed: 125,
  /** The guest panicked, or reset itself without a word: as if SIGABRT had ended it. */
  crashed: 134,
  /** The guest did not end by itself after a stop signal and was switched off: as if SIGTERM had ended it. */
  switchedOff: 143,
} as const;

export interface LaunchRequest {
  readonly qemu: string;
  readonly args: readonly string[];
  /** What has to run before QEMU, and as long as it. */
  readonly servers?: readonly SandboxServer[];
  /** How long a guest may take to end after the power button was pressed; 0: switch it off at once. */
  readonly graceMs: number;
  /** Where a Nanos kernel leaves the exit code of a program that failed; undefined for other guests. */
  readonly klog?: { readonly path: string; readonly offset: number } | undefined;
  readonly exitValues: ExitValues;
  /** Whether PWR is for the script to press the guest's power button; false: whoever sends a stop signal presses it. */
  readonly pressesButton?: boolean;
  /** What the container's log is to say before the guest starts, each one line. */
  readonly notes?: readonly string[];
}

/** The script that a container has before `start` wrote the real one. */
export const unstartedScript = `echo 'ucrun: this container was not started through ucrun' >&2\nexit ${exitStatuses.vmmFailed}\n`;

/**
 * The sandbox's first process, a POSIX shell script that runs QEMU, gives the guest its time to end when a stop signal
 * comes, and turns the way QEMU ended into the guest's exit status.
 *
 * `wait` is what a signal can interrupt, so QEMU runs in the background, with its standard input handed to it, since the
 * shell would give it /dev/null. The grace period is kept in here because here it holds even when the engine and
 * whoever sent the signal are gone, and no process of ours stays outside.
 *
 * PWR is the signal of a scope that systemd stops, which it sends to every process: only the script answers it, and also presses the
 * power button. In the others it is ignored, which lasts over an exec.
 *
 * What QEMU wrote is not trusted: only regular files are opened, which cannot block, and of the events only the end counts.
 */
export function renderLaunchScript({
  qemu,
  args,
  servers = [],
  graceMs,
  klog,
  exitValues,
  pressesButton = false,
  notes = [],
}: LaunchRequest): string {
  const { run, exitStatus, vmmErrors } = sandboxPaths;
  const { vmmFailed, crashed, switchedOff } = exitStatuses;
  const events = usesKvm(args) ? watchedEvents : pressesButton ? pipedEvents : writtenEvents;
  const { opened, qemus } = events;
  const closed = closing(opened);
  const served = servers.length === 0 ? noServers : serverParts(servers);
  const graceSeconds = (graceMs / 1000).toFixed(3);
  return `${consoleInput}interrupted= launching= status= timer= vmm=
switch_off() {
  interrupted=1
  [ -n "$launching" ] || exit ${switchedOff}
  [ -n "$vmm" ] && [ -z "$timer" ] || return
  # systemd signals what is started meanwhile, too.
  trap '' PWR
${pressesButton ? pressButton : ''}  (
    nap= over=
    trap 'over=1; [ -z "$nap" ] || kill -KILL "$nap"' TERM
    sleep ${graceSeconds} & nap=$!
    # It may have been told to end before it knew what there is to end. A TERM would be lost in a sleep that is still a copy of this shell.
    [ -z "$over" ] || kill -KILL "$nap"
    wait "$nap" && [ -z "$over" ] && : >${run}/switched-off && kill -TERM "$vmm"
  ) 3<&- 2>/dev/null ${closed} &
  timer=$!
}
trap switch_off TERM INT QUIT HUP
trap 'switch_off PWR' PWR
${notes.map((note) => `printf 'ucrun: %s\\n' ${shellQuote(note)} >&2\n`).join('')}${served.start}# QEMU adds to this byte, so that there is room for the status when the file system is full.
printf . >${exitStatus}
${events.open}
launching=1
(
  trap '' PWR
  # One heap for all of its threads: each more is 2 MiB of the container's memory.
  export MALLOC_ARENA_MAX=1
  exec ${[qemu, ...args].map(shellQuote).join(' ')}
) <&3 3<&- ${closing(without(opened, qemus, pressesButton ? [ends.reader] : []))} 2>${vmmErrors} &
vmm=$!
${events.watch}# If a signal ends QEMU the shell says so, bash with the whole command line; that is not for the container's log.
exec </dev/null 3<&- 9>&2 2>/dev/null ${closing(without(opened, pressesButton ? [ends.writer] : []))}
${served.recheck}# A signal before QEMU's process id was known found no machine whose power button anyone could have pressed. A TERM would be lost
# in a QEMU that is still a copy of this shell.
[ -z "$interrupted" ] || [ -n "$timer" ] || { : >${run}/switched-off; kill -KILL "$vmm"; }
while :; do
  interrupted=
  wait "$vmm"
  latest=$?
  # 127: QEMU was reaped by the wait before, which a signal then made us repeat.
  [ "$latest" = 127 ] && [ -n "$status" ] || status=$latest
  # When signals come close together, bash and busybox may end a wait for one whose trap has run before. bash may forget a process
  # that ends just as a signal comes, and its next wait would be for the timer instead.
  [ -n "$interrupted" ] && [ -z "$BASH_VERSION" ] || kill -0 "$vmm" 2>/dev/null || break
done
exec 2>&9 9>&-
trap '' PWR
[ -z "$timer" ] || kill "$timer" 2>/dev/null
${served.stop}if [ -f ${exitStatus} ]; then
  set -- $(od -An -tu1 -j1 -N1 ${exitStatus})
  [ $# = 0 ] || exit "$1"
fi
${klog === undefined ? '' : klogStatus(klog)}${served.settle}[ ! -e ${run}/switched-off ] || exit ${switchedOff}
failed=
if [ -f ${vmmErrors} ]; then
  while IFS= read -r line; do
    case $line in
      *': warning: '* | *': terminating on signal '* | '') ;;
      *) failed=1; printf 'ucrun: %s\\n' "$line" >&2 ;;
    esac
  done <${vmmErrors}
fi
case $status in # 126 and 127: the shell could not start QEMU; 134: QEMU gave up
  1 | 126 | 127 | 134) [ -z "$failed" ] || exit ${vmmFailed} ;;
  # An engine that kills kills this script, too.
  137) echo 'ucrun: QEMU was killed, probably by the out-of-memory killer: see the memory limit' >&2 ;;
  # PWR, which QEMU ignores, found it when it was still a copy of this shell.
  158) exit ${switchedOff} ;;
esac
if [ "$status" = 0 ]; then
  ${events.settle}last=
  [ ! -f ${events.file} ] || last=$(tail -c 1024 ${events.file})
  case $last in
    *'"status": "internal-error"'* | *'"status": "io-error"'*)
      last=\${last#*'"status": "'}
      printf 'ucrun: QEMU stopped the machine: %s\\n' "\${last%%[!a-z-]*}" >&2
      exit ${vmmFailed} ;;
    *'"reason": "guest-panic"'*)
      echo 'ucrun: the guest panicked' >&2
      exit ${crashed} ;;
    *'"reason": "guest-reset"'*)
      # One that was asked to end may do it this way.
      [ -n "$timer" ] || { echo 'ucrun: the guest reset itself' >&2; exit ${crashed}; } ;;
    *'"reason": "host-signal"'*) exit ${switchedOff} ;;
  esac
fi
${exitCases(exitValues)}# isa-debug-exit makes QEMU leave with twice the guest's value plus one; 129 to 159 are its deaths by signal.
if [ "$status" -gt 128 ] && [ "$status" -lt 160 ] || [ $((status % 2)) = 0 ]; then exit "$status"; fi
exit $((status / 2))
`;
}

/**
 * Keeps the console's input as 3. A pipe is opened anew for both directions, so that it does not hang up when whoever writes to it has
 * finished: with an input that has hung up, QEMU's wait for room in its output is no wait, and what the guest prints meanwhile is lost.
 * @see QEMU chardev/char-fd.c, fd_chr_add_watch(); hw/char/serial.c, serial_xmit()
 */
const consoleInput = `exec 3<&0
[ ! -p /proc/self/fd/0 ] || ! { true <>/proc/self/fd/0; } 2>/dev/null || exec 3<>/proc/self/fd/0
`;

/**
 * The lowest byte of the code in a Nanos kernel's last words, which begin with KLOG. A program that a signal ended has that
 * signal's number there: after a stop signal 15 is what a container's status is 143 for.
 * @see src/unikernel/nanos/klog.ts
 */
function klogStatus({ path, offset }: NonNullable<LaunchRequest['klog']>): string {
  return `if [ -f ${path} ]; then
  set -- $(od -An -tu1 -j${offset} -N13 ${path})
  if [ "$#: $1 $2 $3 $4" = '13: 75 76 79 71' ] && [ "\${13}" != 0 ]; then
    [ -z "$timer" ] || [ "\${13}" != 15 ] || exit 143
    exit "\${13}"
  fi
fi
`;
}

/** The ends that a guest means by values of its own. */
function exitCases(values: ExitValues): string {
  const cases = Object.entries(values).map(([value, meaning]) => {
    const status = 2 * Number(value) + 1;
    return meaning === 'ended'
      ? `  ${status}) exit 0 ;;\n`
      : `  ${status}) echo 'ucrun: the guest panicked' >&2; exit ${exitStatuses.crashed} ;;\n`;
  });
  return cases.length === 0 ? '' : `case $status in\n${cases.join('')}esac\n`;
}

/** Only with KVM does QEMU come to a state that it stops the machine in and waits for somebody. */
function usesKvm(args: readonly string[]): boolean {
  return args.some((arg, at) => arg === 'kvm' && args[at - 1] === '-accel');
}

/** The parts of the script that see to QEMU's events. */
interface EventParts {
  /** Before QEMU starts: the channel, with the commands that make QEMU report events, and only then start the machine. */
  readonly open: string;
  /** The descriptors that this opens, and those of them that are QEMU's. */
  readonly opened: readonly number[];
  readonly qemus: readonly number[];
  /** After QEMU has started. */
  readonly watch: string;
  /** After QEMU has ended, to complete `file`. */
  readonly settle: string;
  /** Where the last events are. */
  readonly file: string;
}

/** The redirections that close descriptors. */
function closing(descriptors: readonly number[]): string {
  return descriptors.map((descriptor) => `${descriptor}<&-`).join(' ');
}

function without(all: readonly number[], ...kept: readonly (readonly number[])[]): readonly number[] {
  return all.filter((descriptor) => !kept.flat().includes(descriptor));
}

/** The descriptors of the pipe that QEMU reads commands from. Opening a pipe blocks until its other end is open, which the first does not. */
const ends = { reader: 6, writer: 7 } as const;

const firstCommands = `'{"execute":"qmp_capabilities"} {"execute":"cont"}'`;

/** QEMU reads its commands from a file and writes events to another, and nobody reads them before it has ended. */
const writtenEvents: EventParts = {
  open: `echo ${firstCommands} >${sandboxPaths.events}.in
: >${sandboxPaths.events}.out`,
  opened: [],
  qemus: [],
  watch: '',
  settle: '',
  file: `${sandboxPaths.events}.out`,
};

/** The same, but more commands can follow. */
const pipedEvents: EventParts = {
  ...writtenEvents,
  open: `mkfifo ${sandboxPaths.events}.in || exit ${exitStatuses.vmmFailed}
exec ${ends.reader}<>${sandboxPaths.events}.in ${ends.writer}>${sandboxPaths.events}.in
echo ${firstCommands} >&${ends.reader}
: >${sandboxPaths.events}.out`,
  opened: [ends.reader, ends.writer],
};

/**
 * Say it to QEMU, if the signal asks for it. The script keeps the writer for this, and QEMU the reader, so that what is written before it
 * has opened the pipe itself is not lost. A broken-out QEMU may have filled the pipe: then a process waits that ends with QEMU.
 */
const pressButton = `  if [ "$1" = PWR ]; then echo '{"execute":"system_powerdown"}' >&${ends.writer} & fi
`;

/**
 * A process reads the events as they come, and ends a QEMU that has stopped the machine for an error. When somebody asked it to
 * stop, the event is the same, so it asks for the state.
 *
 * Both pipes are opened here, with 4 and 6. Then QEMU alone keeps 4, the end that events are written to, and the process 5 and 7:
 * neither its reading nor its writing can outlast QEMU.
 */
const watchedEvents: EventParts = {
  open: `mkfifo ${sandboxPaths.events}.in ${sandboxPaths.events}.out || exit ${exitStatuses.vmmFailed}
exec 4<>${sandboxPaths.events}.out 5<${sandboxPaths.events}.out ${ends.reader}<>${sandboxPaths.events}.in ${ends.writer}>${sandboxPaths.events}.in
echo ${firstCommands} >&${ends.reader}`,
  opened: [4, 5, ends.reader, ends.writer],
  qemus: [4],
  watch: `(
  trap '' TERM INT QUIT HUP PWR PIPE
  while IFS= read -r line; do
    case $line in
      *'"event": "STOP"'*) echo '{"execute":"query-status"}' >&${ends.writer} ;;
      *'"event": "SHUTDOWN"'*) printf '%s\\n' "$line" >>${sandboxPaths.lastEvents} ;;
      *'"status": "internal-error"'* | *'"status": "io-error"'*)
        printf '%s\\n' "$line" >>${sandboxPaths.lastEvents}
        kill -TERM "$vmm" ;;
    esac
  done
) <&5 >/dev/null 2>&1 3<&- 4<&- 5<&- 6<&- &
watcher=$!
`,
  settle: `trap '' TERM INT QUIT HUP PWR
  wait "$watcher"
  `,
  file: sandboxPaths.lastEvents,
};

/** The parts of the script that see to the servers beside QEMU. */
interface ServerParts {
  /** Starts them, and waits until they are ready. */
  readonly start: string;
  /** After QEMU has started: one that ended in between. */
  readonly recheck: string;
  /** After QEMU has ended. */
  readonly stop: string;
  /** Before the messages of QEMU, which has only lost its server. */
  readonly settle: string;
}

const noServers: ServerParts = { start: '', recheck: '', stop: '', settle: '' };

/** By which the shell that waits for a server says that it has ended; nobody else has a use for these. */
const lossSignals: { readonly [K in SandboxServer['name']]: string } = { virtiofsd: 'ALRM', passt: 'VTALRM' };

/**
 * Each server has a shell that waits for it, and tells this one by a signal when it has ended: without it the guest would hang.
 * A server ends by itself when QEMU has, so QEMU is given time for its own end.
 */
function serverParts(servers: readonly SandboxServer[]): ServerParts {
  const { vmmFailed } = exitStatuses;
  const names = [...new Set(servers.map(({ name }) => name))];
  const signals = names.map((name) => lossSignals[name]);
  const errorsOf = (name: string) =>
    servers.flatMap((server) => (server.name === name ? [server.errors] : [])).join(' ');
  const starts = servers.map(({ name, command, errors }) => {
    const words = command.map(shellQuote).join(' ');
    return `(
  trap '' PWR
  child= over=
  trap 'over=1; [ -z "$child" ] || { kill "$child" 2>/dev/null; exit; }' TERM
  ${words} </dev/null >/dev/null 2>${errors} &
  child=$!
  [ -z "$over" ] || { kill -KILL "$child"; exit; }
  wait "$child" && { sleep 5 & child=$!; wait "$child"; }
  kill -${lossSignals[name]} $$
) 3<&- 2>/dev/null &
servers="$servers $!"
`;
  });
  const waits = servers.map(({ name, ready }) => `await_server ${name} ${ready}\n`);
  return {
    start: `lost= servers= patience=500
lose_server() {
  interrupted=1 lost=$1
  [ -z "$vmm" ] || kill -KILL "$vmm" 2>/dev/null
}
end_servers() {
  trap '' ${signals.join(' ')}
  kill $servers 2>/dev/null
}
fail_serving() {
  case $1 in
${names.map((name) => `    ${name}) set -- "$1" ${errorsOf(name)} ;;\n`).join('')}  esac
  name=$1
  shift
  for file; do
    # passt looks for a system logger, and says so each time that it finds none.
    [ ! -f "$file" ] || grep -v '^Failed to send .* to syslog$' "$file" | tail -n 3 | while IFS= read -r line; do
      printf 'ucrun: %s: %s\\n' "$name" "\${line#"["*"] "}" >&2
    done
  done
  exit ${vmmFailed}
}
await_server() {
  until [ -S "$2" ] || [ -s "$2" ]; do
    [ -z "$lost" ] || fail_serving "$lost"
    [ $((patience -= 1)) -gt 0 ] || { echo "ucrun: $1 does not start to listen" >&2; fail_serving "$1"; }
    sleep 0.02
  done
}
${names.map((name) => `trap 'lose_server ${name}' ${lossSignals[name]}\n`).join('')}trap end_servers EXIT
${starts.join('')}${waits.join('')}`,
    recheck: '[ -z "$lost" ] || kill -KILL "$vmm"\n',
    stop: 'end_servers\n',
    settle: `[ -z "$lost" ] || { echo "ucrun: $lost ended before the guest" >&2; fail_serving "$lost"; }\n`,
  };
}
