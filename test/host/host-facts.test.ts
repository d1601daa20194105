import { join } from 'node:path';
import t from 'tap';
import { findQemu } from '../../src/host/find-qemu.ts';
import {
  bootId,
  findDevice,
  hostDirectories,
  ownUidMap,
  withMountsBelow,
} from '../../src/host/host-facts.ts';

t.test('findDevice() takes character devices apart, and nothing else', async (t) => {
  t.strictSame(findDevice('/dev/null'), { path: '/dev/null', major: 1, minor: 3 });
  t.strictSame(findDevice('/dev/urandom'), { path: '/dev/urandom', major: 1, minor: 9 });
  const folder = t.testdir({ file: '' });
  for (const path of [folder, join(folder, 'file'), join(folder, 'none')])
    t.equal(findDevice(path), undefined, path);
});

t.test('hostDirectories() has /usr, and the folder of a QEMU that is elsewhere', async (t) => {
  const usual = hostDirectories(['/usr/bin/qemu-system-x86_64']);
  t.equal(usual[0], '/usr');
  t.notOk(usual.some((directory) => ['/etc', '/home', '/var', '/root', '/', ''].includes(directory)));
  t.strictSame(hostDirectories(['/bin/qemu-system-x86_64']), usual);
  t.strictSame(hostDirectories(['/usr/local/bin/qemu']), usual);
  t.strictSame(hostDirectories(['/opt/qemu/bin/qemu-system-x86_64']), [...usual, '/opt/qemu']);
  t.strictSame(
    hostDirectories(['/usr/bin/qemu', '/opt/v/bin/virtiofsd', '/opt/v/bin/other']),
    [...usual, '/opt/v'],
    'each once',
  );
  t.strictSame(hostDirectories(['/qemu']), usual, 'never the root itself');
});

t.test('ownUidMap() and bootId() are what the kernel says', async (t) => {
  t.ok(ownUidMap().some(({ containerId, size }) => containerId === 0 && size >= 1));
  t.match(bootId(), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});

t.test('findQemu() takes the configured one, or the first there is', async (t) => {
  const folder = t.testdir({ empty: {}, 'a-folder': { 'qemu-kvm': {} } });
  const { mkdirSync, writeFileSync } = await import('node:fs');
  const program = (directory: string, name: string) => {
    mkdirSync(join(folder, directory), { recursive: true });
    writeFileSync(join(folder, directory, name), '', { mode: 0o755 });
    return join(folder, directory, name);
  };
  const name = process.arch === 'arm64' ? 'qemu-system-aarch64' : 'qemu-system-x86_64';
  const debian = program('debian', name);
  const fedora = program('fedora', 'qemu-kvm');
  const path = (...directories: readonly string[]) =>
    directories.map((directory) => join(folder, directory)).join(':');
  t.equal(findQemu(fedora, path('debian')), fedora);
  t.equal(findQemu(undefined, path('empty', 'a-folder', 'fedora', 'debian')), fedora);
  t.equal(findQemu(undefined, path('debian', 'fedora')), debian);
  const missing = join(folder, 'none');
  t.throws(() => findQemu(missing, path('debian')), {
    code: 'QEMU_MISSING',
    message: `QEMU is missing: the configuration says "${missing}"`,
    hint: /key "qemu" of \[vmm\]/,
  });
});

t.test('withMountsBelow() has the directories in which something is mounted', async (t) => {
  const mountinfo = [
    '22 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
    '23 22 254:1 / /usr/local rw,relatime shared:1 - ext4 /dev/vdb rw',
    '24 22 254:2 / /lib64 ro - ext4 /dev/vdc ro',
    '25 22 254:3 / /opt/qemu\\040two rw - ext4 /dev/vdd rw',
    '',
  ].join('\n');
  t.strictSame(withMountsBelow(['/usr', '/lib64', '/opt/qemu'], mountinfo), ['/usr']);
});
