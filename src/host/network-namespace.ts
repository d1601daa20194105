import { statSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import { factsBatch, type NamespaceFacts, parseNamespaceFacts } from '../unikernel/network/facts.ts';
import { tapAlias, tapBatches, tapTeardown, unnamedTap } from '../unikernel/network/tap-batches.ts';
import type { TapCard } from '../unikernel/network/types.ts';
import { readTextIfThere } from './files.ts';
import { type Finished, runProgram } from './processes.ts';

/** ip, tc and nsenter are in /usr/sbin and /usr/bin, which the PATH of an engine may lack. */
export const networkToolPath = '/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin';

/** What tells a namespace from every other that there is; undefined if nothing is at the path. @see namespaces(7) */
export function namespaceId(namespacePath: string): string | undefined {
  const stat = statSync(namespacePath, { throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
}

/**
 * The interfaces and routes of a network namespace.
 * @param namespacePath such as `/proc/PID/ns/net`
 * @param pid of a process in it
 * @throws RuntimeError HOST_FAILED
 */
export function readNamespaceFacts(namespacePath: string, pid: number): NamespaceFacts {
  const { stdout } = inNamespace(
    namespacePath,
    ['ip', '-json', '-batch', '-'],
    factsBatch,
    "read the container's network",
  );
  // Without IPv6 in the kernel there is no such file.
  return parseNamespaceFacts(stdout, readTextIfThere(`/proc/${pid}/net/ipv6_route`) ?? '');
}

/**
 * Make the taps and join each to its interface; two programs in one shell, however many there are. What a failure leaves is removed
 * again.
 * @param mark of the container, by which {@link removeTaps} knows its taps: 12 characters that no other has
 * @throws RuntimeError HOST_FAILED, also if another container has the taps
 */
export function makeTaps(
  namespacePath: string,
  taps: readonly TapCard[],
  ownerUid: number,
  mark: string,
): void {
  const { ip, tc } = tapBatches(taps, ownerUid, mark);
  const pairs = taps.map(({ tap, link }) => `"${tap}" to "${link}"`).join(', ');
  try {
    inNamespace(namespacePath, making, `${ip}${separator}\n${tc}`, `join tap ${pairs}`);
  } catch (error) {
    removeTaps(namespacePath, taps, mark);
    throw error;
  }
}

/**
 * Remove a container's taps and redirections. That some of them, or the namespace, are gone already is no error, and those of another
 * container, which came to the namespace after this one, stay.
 */
export function removeTaps(namespacePath: string, taps: readonly TapCard[], mark: string): void {
  const { ip, tc } = tapTeardown(taps, mark);
  run(namespacePath, [...removing, tapAlias(mark), unnamedTap(mark)], `${tc}${separator}\n${ip}`);
}

const separator = '#';
/** Reads the lines for the first program; those for the second are what is left then. */
const readFirst = `
batch=
while IFS= read -r line && [ "$line" != '${separator}' ]; do batch="$batch$line
"; done`;

const making = ['sh', '-c', `${readFirst}\nprintf %s "$batch" | ip -batch - && tc -batch -`];

/** A line that fails must not keep the others from being tried. The arguments are the taps' alias, and the one that is not quite made. */
const removing = [
  'sh',
  '-c',
  `${readFirst}
case $(ip -oneline link show type tun) in
*" alias $1"*)
  printf %s "$batch" | tc -force -batch -
  exec ip -force -batch - ;;
esac
exec ip link delete dev "$2"`,
  'sh',
];

function inNamespace(
  namespacePath: string,
  command: readonly string[],
  input: string,
  action: string,
): Finished {
  const finished = run(namespacePath, command, input);
  if (finished.status === 0) return finished;
  // Engines react to the words of a foreign message, so it is kept as the cause, which only --debug shows.
  throw new RuntimeError(
    'HOST_FAILED',
    `cannot ${action}: ${command[0] === 'sh' ? 'ip or tc' : command[0]} failed`,
    {
      cause: new Error(finished.stderr.trim()),
      hint: 'ucrun needs iproute2 and the kernel modules act_mirred, cls_u32 and sch_ingress; run with --debug to see its message',
    },
  );
}

function run(namespacePath: string, command: readonly string[], input: string): Finished {
  return runProgram('/usr/bin/nsenter', [`--net=${namespacePath}`, '--', ...command], {
    env: { PATH: networkToolPath },
    input,
  });
}
