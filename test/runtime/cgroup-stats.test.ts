import t from 'tap';
import type { Cgroup } from '../../src/host/cgroup.ts';
import { cgroupStats, outOfMemoryKills } from '../../src/runtime/cgroup-stats.ts';

function cgroup(version: 1 | 2, files: Readonly<Record<string, string>>): Cgroup {
  return { version: () => version, read: (_controller, file) => files[file] };
}

/** As it would be printed: what is undefined is left out. */
const printed = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

t.test('cgroupStats() of version 2', async (t) => {
  const stats = cgroupStats(
    cgroup(2, {
      'cpu.stat':
        'usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 4\nnr_throttled 1\nthrottled_usec 7\n',
      'memory.stat': 'anon 100\nfile 200\ninactive_file 50\n',
      'memory.current': '300\n',
      'memory.peak': '400\n',
      'memory.max': '1000\n',
      'memory.swap.current': '1\n',
      'memory.swap.max': '24\n',
      'memory.events': 'low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n',
      'pids.current': '5\n',
      'pids.max': 'max\n',
      'io.stat': '8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n254:16 \n',
    }),
  );
  t.strictSame(printed(stats), {
    cpu: {
      usage: { total: 1_500_000, kernel: 500_000, user: 1_000_000 },
      throttling: { periods: 4, throttledPeriods: 1, throttledTime: 7000 },
    },
    memory: {
      cache: 200,
      usage: { limit: 1000, usage: 300, max: 400, failcnt: 3 },
      swap: { limit: 1024, usage: 301, failcnt: 0 },
      raw: { anon: 100, file: 200, inactive_file: 50 },
      event_count: { low: 0, high: 0, max: 3, oom: 2, oom_kill: 1, oom_group_kill: 0 },
    },
    pids: { current: 5 },
    blkio: {
      ioServiceBytesRecursive: [
        { major: 8, minor: 0, op: 'Read', value: 10 },
        { major: 8, minor: 0, op: 'Write', value: 20 },
      ],
      ioServicedRecursive: [
        { major: 8, minor: 0, op: 'Read', value: 1 },
        { major: 8, minor: 0, op: 'Write', value: 2 },
      ],
    },
    hugetlb: {},
  });
});

t.test('cgroupStats() of version 1', async (t) => {
  const stats = cgroupStats(
    cgroup(1, {
      'cpuacct.usage': '1500\n',
      'cpuacct.usage_percpu': '1000 500 \n',
      'cpuacct.usage_user': '900\n',
      'cpuacct.usage_sys': '600\n',
      'cpu.stat': 'nr_periods 4\nnr_throttled 1\nthrottled_time 7\n',
      'memory.stat': 'cache 10\nrss 20\n',
      'memory.usage_in_bytes': '30\n',
      'memory.max_usage_in_bytes': '40\n',
      'memory.limit_in_bytes': '9223372036854771712\n',
      'memory.failcnt': '2\n',
      'pids.current': '5\n',
      'pids.max': '50\n',
      'blkio.throttle.io_service_bytes_recursive': '8:0 Read 1\n8:0 Total 1\nTotal 1\n',
    }),
  );
  t.match(printed(stats), {
    cpu: {
      usage: { total: 1500, percpu: [1000, 500], kernel: 600, user: 900 },
      throttling: { periods: 4, throttledPeriods: 1, throttledTime: 7 },
    },
    memory: {
      cache: 10,
      usage: { usage: 30, max: 40, failcnt: 2 },
      swap: { limit: 0, failcnt: 0 },
      raw: { cache: 10, rss: 20 },
    },
    pids: { current: 5, limit: 50 },
    blkio: {
      ioServiceBytesRecursive: [
        { major: 8, minor: 0, op: 'Read', value: 1 },
        { major: 8, minor: 0, op: 'Total', value: 1 },
      ],
      ioServicedRecursive: [],
    },
  });
  t.match(JSON.stringify(stats), '"limit":9223372036854771712', 'no digit is lost');
});

t.test('cgroupStats() without a limit has the largest one', async (t) => {
  const text = JSON.stringify(cgroupStats(cgroup(2, { 'memory.max': 'max\n', 'memory.swap.max': 'max\n' })));
  t.equal(text.match(/"limit":18446744073709551615/g)?.length, 2);
});

t.test('cgroupStats() without any file is still of the form', async (t) => {
  for (const version of [1, 2] as const)
    t.match(printed(cgroupStats(cgroup(version, {}))), {
      cpu: { usage: { kernel: 0, user: 0 } },
      memory: { usage: { limit: 0, failcnt: 0 } },
      pids: {},
    });
});

t.test('outOfMemoryKills() counts', async (t) => {
  t.equal(outOfMemoryKills(cgroup(2, { 'memory.events': 'oom 3\noom_kill 2\n' })), 2);
  t.equal(outOfMemoryKills(cgroup(1, { 'memory.oom_control': 'oom_kill_disable 0\noom_kill 4\n' })), 4);
  t.equal(outOfMemoryKills(cgroup(2, {})), 0);
});
