import t from 'tap';
import { cgroupDirectories, cgroupOf } from '../../src/host/cgroup.ts';

const mounts = {
  v2: '29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate',
  memory: '31 30 0:28 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory',
  cpu: '32 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct',
  unified: '33 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
  other: '23 1 8:1 / / rw - ext4 /dev/sda1 rw',
};
const lines = (...parts: readonly string[]) => `${parts.join('\n')}\n`;

t.test('cgroupDirectories() on a host with version 2', async (t) => {
  t.strictSame(cgroupDirectories('0::/machine.slice/libpod-a.scope\n', lines(mounts.other, mounts.v2)), {
    v1: new Map(),
    v2: '/sys/fs/cgroup/machine.slice/libpod-a.scope',
  });
  t.strictSame(cgroupDirectories('0::/\n', mounts.v2).v2, '/sys/fs/cgroup');
});

t.test('cgroupDirectories() on a hybrid host', async (t) => {
  const cgroups = lines('9:name=systemd:/a', '8:cpu,cpuacct:/a/b', '7:memory:/a/b', '6:pids:/a/b', '0::/');
  const { v1, v2 } = cgroupDirectories(cgroups, lines(mounts.memory, mounts.cpu, mounts.unified));
  t.strictSame(Object.fromEntries(v1), {
    cpu: '/sys/fs/cgroup/cpu,cpuacct/a/b',
    cpuacct: '/sys/fs/cgroup/cpu,cpuacct/a/b',
    memory: '/sys/fs/cgroup/memory/a/b',
  });
  t.equal(v2, '/sys/fs/cgroup/unified');
});

t.test(
  'cgroupDirectories() takes the last of several mounts, and what of a hierarchy it shows',
  async (t) => {
    const part = '40 30 0:28 /a /mnt/part rw - cgroup cgroup rw,memory';
    const { v1 } = cgroupDirectories('7:memory:/a/b\n', lines(mounts.memory, part));
    t.equal(v1.get('memory'), '/mnt/part/b');
  },
);

t.test('cgroupOf() of a process that is gone knows nothing', async (t) => {
  const cgroup = cgroupOf(2 ** 22 + 1);
  t.equal(cgroup.version('memory'), undefined);
  t.equal(cgroup.read('memory', 'memory.stat'), undefined);
});
