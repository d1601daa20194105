import { shellQuote } from '../unikernel/shell-quote.ts';
import type { MachineFiles } from './places.ts';

export interface WrapperRequest {
  readonly files: Pick<MachineFiles, 'run' | 'pid' | 'launch' | 'log'>;
  /** What goes before the shell that becomes QEMU, such as a program that changes its user; may be empty. */
  readonly become: readonly string[];
  /** What this becomes when QEMU has ended; QEMU's status is added to it. */
  readonly ended: readonly string[];
}

/** A log grows to this before it is begun anew; the one before it stays. */
export const maxLogBytes = 8 * 1024 * 1024;

/**
 * The script that stays while a machine runs that no service manager keeps: it puts the console into a log with times, waits for
 * QEMU, and becomes the ucrun that writes down how it ended. A shell, since it is there for each machine as long as that is.
 *
 * bash knows the time by itself; another shell starts date(1) for each line, and not every one of those knows parts of seconds.
 */
export function renderWrapper({ files, become, ended }: WrapperRequest): string {
  const launch = [...become, '/bin/sh', files.launch].map(shellQuote).join(' ');
  return `trap '' HUP INT QUIT TERM PIPE
umask 077
LC_ALL=C TZ=UTC
export LC_ALL TZ
cd ${shellQuote(files.run)} || exit 1
mkfifo console || exit 1
keep_log() {
  exec >>"$1"
  bytes=0
  while IFS= read -r line || [ -n "$line" ]; do
    if [ -n "$BASH_VERSION" ] && [ -n "$EPOCHREALTIME" ]; then
      now=$EPOCHREALTIME
      printf '%(%Y-%m-%dT%H:%M:%S)T.%sZ %s\\n' "\${now%.*}" "\${now#*.}" "$line"
    else
      printf '%s %s\\n' "$(date -u +%Y-%m-%dT%H:%M:%S).000000Z" "$line"
    fi
    bytes=$((bytes + \${#line} + 28))
    [ "$bytes" -lt ${maxLogBytes} ] || { mv "$1" "$1.1"; exec >"$1"; bytes=0; }
  done
}
keep_log ${shellQuote(files.log)} <console &
log=$!
${launch} </dev/null >console &
vmm=$!
# The time when a process started is the 22nd field; what is in parentheses before may hold anything. 0 is that of none: bash has
# buried a QEMU that ended at once.
started() {
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || { echo 0; return; }
  set -- \${stat##*) }
  shift 19
  echo "$1"
}
echo "$vmm $(started "$vmm") $$ $(started $$)" >pid.new
mv pid.new pid
wait "$vmm"
status=$?
wait "$log"
exec ${ended.map(shellQuote).join(' ')} "$status"
`;
}
