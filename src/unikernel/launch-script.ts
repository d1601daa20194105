import { sandboxPaths } from './sandbox-paths.ts';
import { shellQuote } from './shell-quote.ts';

/** What the container's exit status is when the guest did not choose one. */
export const exitStatuses = {
  /** QEMU never ran the guest; the status that podman uses for failures of its own making. */
  vmmFailed: 125,
  /** The guest did not end by itself after a stop signal and was switched off: as if SIGTERM had ended it. */
  switchedOff: 143,
} as const;

export interface LaunchRequest {
  readonly qemu: string;
  readonly args: readonly string[];
  /** How long a guest may take to end after the power button was pressed; 0: switch it off at once. */
  readonly graceMs: number;
}

/** The script that a container has before `start` wrote the real one. */
export const unstartedScript = `echo 'ucrun: this container was not started through ucrun' >&2\nexit ${exitStatuses.vmmFailed}\n`;

/**
 * The sandbox's first process, a POSIX shell script that runs QEMU, gives the guest its time to end when a stop signal
 * comes, and turns QEMU's exit status into the guest's.
 *
 * `wait` is what a signal can interrupt, so QEMU runs in the background, with its standard input handed to it, since the
 * shell would give it /dev/null. The grace period is kept in here because here it holds even when the engine and
 * whoever sent the signal are gone, and no process of ours stays outside.
 */
export function renderLaunchScript({ qemu, args, graceMs }: LaunchRequest): string {
  const graceSeconds = (graceMs / 1000).toFixed(3);
  return `exec 3<&0
interrupted= status= timer= vmm=
switch_off() {
  interrupted=1
  [ -n "$vmm" ] || exit ${exitStatuses.switchedOff}
  [ -z "$timer" ] || return
  (
    trap 'kill "$nap" 2>/dev/null; exit' TERM
    sleep ${graceSeconds} & nap=$!
    wait "$nap" && : >${sandboxPaths.run}/switched-off && kill -TERM "$vmm"
  ) 3<&- &
  timer=$!
}
trap switch_off TERM INT QUIT HUP PWR
${[qemu, ...args].map(shellQuote).join(' ')} <&3 3<&- 2>${sandboxPaths.vmmErrors} &
vmm=$!
exec </dev/null 3<&-
while :; do
  interrupted=
  wait "$vmm"
  latest=$?
  # 127: QEMU was reaped by the wait before, which a signal then made us repeat.
  [ "$latest" = 127 ] && [ -n "$status" ] || status=$latest
  [ -n "$interrupted" ] || break
  # bash may forget a process that ends just as a signal comes; its next wait would be for the timer instead.
  [ -z "$BASH_VERSION" ] || kill -0 "$vmm" 2>/dev/null || break
done
[ -z "$timer" ] || kill "$timer" 2>/dev/null
if [ -s ${sandboxPaths.exitStatus} ]; then
  set -- $(od -An -tu1 -N1 ${sandboxPaths.exitStatus})
  exit "$1"
fi
[ ! -e ${sandboxPaths.run}/switched-off ] || exit ${exitStatuses.switchedOff}
failed=
while IFS= read -r line; do
  case $line in
    *': warning: '* | *': terminating on signal '* | '') ;;
    *) failed=1; printf 'ucrun: %s\\n' "$line" >&2 ;;
  esac
done <${sandboxPaths.vmmErrors}
case $status in # 126 and 127: the shell could not start QEMU
  1 | 126 | 127) [ -z "$failed" ] || exit ${exitStatuses.vmmFailed} ;;
esac
# isa-debug-exit makes QEMU leave with twice the guest's value plus one; 129 to 159 are its deaths by signal.
if [ "$status" -gt 128 ] && [ "$status" -lt 160 ] || [ $((status % 2)) = 0 ]; then exit "$status"; fi
exit $((status / 2))
`;
}
