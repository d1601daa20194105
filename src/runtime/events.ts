import { setTimeout as delay } from 'node:timers/promises';
import { parseDurationMs } from '../base/duration.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { hasFlag, lastValue, parseVerbArgs } from '../forward/command-line.ts';
import { type Cgroup, cgroupOf } from '../host/cgroup.ts';
import { processStartTime, runProgram } from '../host/processes.ts';
import { cgroupStats, outOfMemoryKills } from './cgroup-stats.ts';
import type { Call } from './container.ts';

const defaultInterval = '5s';

/** A container that ended is noticed after this, however long the interval is. */
const longestSleepMs = 200;

/**
 * `events`, for a crun that lacks it: what a container uses and, each interval until it ends, what happens to it.
 * @param print takes a line
 * @returns the exit status; crun's if it does not know the container
 * @throws RuntimeError USAGE
 */
export async function containerEvents(call: Call, print: (line: string) => void): Promise<number> {
  const { options, positionals } = parseVerbArgs('events', call.line.verbArgs);
  const [id] = positionals;
  if (id === undefined || positionals.length > 1) {
    throw new RuntimeError('USAGE', 'events needs the id of one container', {
      hint: 'ucrun events [--stats | --interval 5s] ID',
    });
  }
  const intervalMs = parseDurationMs(lastValue(options, 'interval') ?? defaultInterval, 'option --interval');
  if (intervalMs === 0)
    throw new RuntimeError('USAGE', 'option --interval is 0', { hint: 'give it some, such as 5s' });
  const state = runProgram(call.crun(), [...call.line.globalArgs, 'state', id], { env: call.env });
  if (state.status !== 0) {
    // crun has the words for it, and has written them to its log.
    process.stderr.write(state.stderr);
    return state.status;
  }
  const { pid } = JSON.parse(state.stdout) as { readonly pid: number };
  const startTime = pid > 0 ? processStartTime(pid) : undefined;
  if (startTime === undefined) throw new RuntimeError('USAGE', `container "${id}" is not running`);
  const cgroup = cgroupOf(pid);
  const say = (type: string, data?: object) => print(JSON.stringify({ type, id, data }));
  if (hasFlag(options, 'stats')) {
    say('stats', cgroupStats(cgroup));
    return 0;
  }
  await watch({ cgroup, intervalMs, isAlive: () => processStartTime(pid) === startTime, say });
  return 0;
}

interface Watched {
  readonly cgroup: Cgroup;
  readonly intervalMs: number;
  readonly isAlive: () => boolean;
  readonly say: (type: string, data?: object) => void;
}

async function watch({ cgroup, intervalMs, isAlive, say }: Watched): Promise<void> {
  let kills = outOfMemoryKills(cgroup);
  let next = performance.now() + intervalMs;
  for (;;) {
    await delay(Math.min(longestSleepMs, Math.max(1, next - performance.now())));
    if (!isAlive()) return;
    const killsNow = outOfMemoryKills(cgroup);
    if (killsNow > kills) say('oom');
    kills = killsNow;
    if (performance.now() < next) continue;
    say('stats', cgroupStats(cgroup));
    next += intervalMs;
  }
}
