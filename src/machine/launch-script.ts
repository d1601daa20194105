import { exitStatuses } from '../unikernel/launch-script.ts';
import { shellQuote } from '../unikernel/shell-quote.ts';
import { maxHistoryLines } from './history.ts';
import { qemuNames } from './places.ts';

export interface MachineLaunch {
  /** QEMU's own directory, see places.ts. */
  readonly directory: string;
  readonly qemu: string;
  readonly args: readonly string[];
  /** A command that waits until the guest answers; undefined: it counts as started when it runs. */
  readonly awaitGuest: readonly string[] | undefined;
  /** Whether a service manager is to be told. */
  readonly notifies: boolean;
}

/**
 * The script that becomes QEMU, keeping its process id: so whoever started it has QEMU as its child, or as its unit's main process.
 *
 * Beside it stays a shell that reads QEMU's events: without a reader nobody would know that the machine runs, why it ended, or that
 * QEMU has stopped it for good. It opens its ends of the pipes when QEMU opens the others, and ends with QEMU.
 *
 * What tells of a change of the machine's state it keeps for whoever wants to know, see history.ts: that of a machine which was held only
 * once QEMU says that this is why it has stopped, or that it goes on.
 * @see sd_notify(3); QEMU qapi/run-state.json
 */
export function renderMachineLaunch(launch: MachineLaunch): string {
  const { events, exitStatus, errors, lastEvents, history } = qemuNames;
  return `umask 077
cd ${shellQuote(launch.directory)} || exit ${exitStatuses.vmmFailed}
exec 2>${errors}
rm -f ${events}.in ${events}.out ${exitStatus} ${lastEvents} ${history} ${qemuNames.ready} ${qemuNames.qmp}
mkfifo ${events}.in ${events}.out || exit ${exitStatuses.vmmFailed}
# QEMU adds to this byte, so that there is room for the status when the file system is full.
printf . >${exitStatus}
vmm=$$
(
  trap '' TERM INT QUIT HUP PIPE
  exec 5<${events}.out 7>${events}.in
  echo '{"execute":"qmp_capabilities"} {"execute":"cont"}' >&7
  begun= held= lines=0
  keep() {
    if [ "$lines" -lt ${maxHistoryLines} ]; then lines=$((lines + 1)); else lines=1; : >${history}; fi
    printf '%s\\n' "$1" >>${history}
  }
  keep_held() {
    [ -z "$held" ] || keep "$held"
    held=
  }
  while IFS= read -r line <&5; do
    case $line in
      *'"event": "RESUME"'*)
        keep_held
        if [ -n "$begun" ]; then keep "$line"; else begun=1; ${readyCommand(launch)} fi ;;
      *'"event": "STOP"'*) held=$line; echo '{"execute":"query-status"}' >&7 ;;
      *'"status": "paused"'*) keep_held ;;
      *'"event": "SHUTDOWN"'*)
        printf '%s\\n' "$line" >>${lastEvents}
        keep "$line" ;;
      *'"status": "internal-error"'* | *'"status": "io-error"'*)
        printf '%s\\n' "$line" >>${lastEvents}
        kill -TERM "$vmm" ;;
    esac
  done
) </dev/null >/dev/null 2>&1 &
# One heap for all of its threads: each more is 2 MiB of memory.
export MALLOC_ARENA_MAX=1
unset NOTIFY_SOCKET
exec ${[launch.qemu, ...launch.args].map(shellQuote).join(' ')}
`;
}

function readyCommand({ awaitGuest, notifies }: MachineLaunch): string {
  const ready = `: >${qemuNames.ready}`;
  const done = notifies ? `${ready} && systemd-notify --ready --status=running` : ready;
  // Events go on being read while the guest is waited for.
  return awaitGuest === undefined
    ? `${done};`
    : `(${awaitGuest.map(shellQuote).join(' ')} && ${done}) 5<&- 7>&- &`;
}
