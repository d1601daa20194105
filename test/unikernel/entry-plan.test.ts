import t from 'tap';
import { parseDefinition } from '../../src/unikernel/definition.ts';
import { planEntry } from '../../src/unikernel/entry-plan.ts';

const plan = (raw: Readonly<Record<string, unknown>>, directory?: string) =>
  planEntry(
    raw,
    parseDefinition(raw, 'here'),
    (file) => (file.includes('qcow') ? 'qcow2' : 'raw'),
    directory,
  );

t.test('planEntry() gives files names of their own', async (t) => {
  const raw = {
    memory: '16MiB',
    kernel: '/a/vmlinuz-6.1',
    guest: 'linux',
    initrd: '../i',
    ports: ['80', '53/udp'],
  };
  t.strictSame(plan(raw), {
    content: { guest: 'linux', kernel: 'kernel', initrd: 'initrd', memory: '16MiB', ports: ['80', '53/udp'] },
    files: [
      { from: '/a/vmlinuz-6.1', name: 'kernel' },
      { from: '../i', name: 'initrd' },
    ],
  });
  t.strictSame(Object.keys(plan(raw).content), ['guest', 'kernel', 'initrd', 'memory', 'ports']);
});

t.test('planEntry() keeps what is said of disks', async (t) => {
  const disks = (disk: unknown, directory?: string) => {
    const { content, files } = plan({ guest: 'linux', kernel: 'k', disk }, directory);
    return [content.disk, files.slice(1)];
  };
  t.strictSame(disks('root.img'), ['disk1.img', [{ from: 'root.img', name: 'disk1.img' }]]);
  t.strictSame(disks(['/a:/', 'b.qcow:/data:ro'], '/unikernel/'), [
    ['/unikernel/disk1.img:/', '/unikernel/disk2.qcow2:/data:ro'],
    [
      { from: '/a', name: 'disk1.img' },
      { from: 'b.qcow', name: 'disk2.qcow2' },
    ],
  ]);
});

t.test('planEntry() writes values as people do', async (t) => {
  const raw = { guest: 'raw', kernel: 'k', cpus: '2', ports: '80, 53/udp', powerButton: 'false' };
  t.match(plan(raw).content, { cpus: 2, ports: ['80', '53/udp'], powerButton: false });
});
