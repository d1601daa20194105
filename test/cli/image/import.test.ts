import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { guestKinds } from '../../../src/unikernel/guests/guest.ts';
import { probeGuestElf } from '../../../src/unikernel/probe-guest.ts';
import { layerOf, layoutOf } from '../../host/support/oci-layout.ts';
import { setting } from './support.ts';

const kernel = Buffer.from(probeGuestElf());
const urunc = {
  'com.urunc.unikernel.unikernelType': 'linux',
  'com.urunc.unikernel.hypervisor': 'qemu',
  'com.urunc.unikernel.binary': '/boot/vmlinuz',
  'com.urunc.unikernel.initrd': '/boot/initrd',
  'com.urunc.unikernel.block': '/data.ext4',
  'com.urunc.unikernel.blkMntPoint': '/data',
};
const inBase64 = (values: Readonly<Record<string, string>>) =>
  JSON.stringify(
    Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    ),
  );
const files = [
  [{ name: 'boot/vmlinuz-6.1' }, kernel],
  [{ name: 'boot/vmlinuz', type: 'symlink', linkname: 'vmlinuz-6.1' }],
  [{ name: 'boot/initrd' }, 'initrd'],
  [{ name: 'data.ext4' }, 'data'],
] as const;

t.test('import takes the unikernel out of an image for urunc', async (t) => {
  const { folder, registry, image } = setting(t);
  const layers = [gzipSync(await layerOf(...files))];
  const described = [...layers, await layerOf([{ name: 'urunc.json' }, inBase64(urunc)])];
  const config = { config: { Cmd: ['/app', '-v'], Env: ['PATH=/bin', 'A=b'] } };
  layoutOf(folder, layers, 'annotated', { annotations: urunc, config });
  layoutOf(folder, layers, 'labelled', { config: { config: { Labels: urunc } } });
  layoutOf(folder, described, 'described', { platform: { os: 'linux', architecture: 'amd64' } });
  for (const name of ['annotated', 'labelled', 'described']) {
    const { status, stdout, stderr } = await image('import', name);
    t.equal(status, 0, stderr);
    t.match(stdout, `added ${name} (linux, `);
    t.equal(
      stderr,
      name === 'annotated'
        ? 'its arguments are not kept; give them to the container: -v\nits environment is not kept; give it to the container: A=b\n'
        : '',
    );
    const made = join(registry, name);
    t.strictSame(readdirSync(made).sort(), ['disk1.img', 'initrd', 'kernel', 'unikernel.json']);
    t.ok(readFileSync(join(made, 'kernel')).equals(kernel));
    t.strictSame(JSON.parse(readFileSync(join(made, 'unikernel.json'), 'utf8')), {
      guest: 'linux',
      kernel: 'kernel',
      initrd: 'initrd',
      disk: 'disk1.img:/data',
      ...(name === 'annotated' ? { cmdline: 'rdinit=/app' } : {}),
    });
  }
});

t.test('import refuses an image that cannot become a unikernel of the registry', async (t) => {
  const { folder, registry, image } = setting(t);
  const layers = [await layerOf(...files)];
  const refused = async (annotations: Readonly<Record<string, string>>, stderr: RegExp) => {
    layoutOf(folder, layers, 'layout', { annotations });
    t.match(await image('import', 'layout'), { status: 1, stdout: '', stderr });
    t.strictSame(readdirSync(registry), []);
  };
  await refused({}, /^ucrun: the image has no unikernel in it\nhint: looked for/);
  await refused(
    { ...urunc, 'com.urunc.unikernel.hypervisor': 'spt' },
    /hypervisor" in the annotations is "spt", not "qemu"/,
  );
  await refused({ ...urunc, 'com.urunc.unikernel.unikernelType': 'tower' }, /unknown guest type "tower"/);
  await refused(
    { ...urunc, 'com.urunc.unikernel.binary': '/none' },
    /file "\/none" is missing from the image "layout"/,
  );
  await refused(
    { ...urunc, 'com.urunc.unikernel.binary': '../../../../etc/passwd' },
    /"\.\.\/.*" is missing from the image/,
  );
  await refused(
    { ...urunc, 'com.urunc.unikernel.binary': '/boot/initrd' },
    /"\/boot\/initrd" is not a kernel that QEMU/,
  );
  t.match(JSON.parse((await image('inspect', 'layout')).stdout), {
    kind: 'oci-layout',
    os: 'linux',
    description: /linux/,
  });
});

const hasUnikraft = (guestKinds as readonly string[]).includes('unikraft');

t.test(
  'import of what kraft made',
  { skip: !hasUnikraft && 'this ucrun has no Unikraft guests' },
  async (t) => {
    const { folder, registry, image } = setting(t);
    const layers = [
      await layerOf([{ name: 'unikraft/bin/kernel' }, kernel], [{ name: 'unikraft/bin/initrd' }, 'initrd']),
    ];
    const config = { os: 'qemu', architecture: 'x86_64', 'os.version': '0.17.0' };
    layoutOf(folder, layers, 'nginx', { config, platform: { os: 'qemu', architecture: 'x86_64' } });
    t.match(await image('import', 'nginx'), { status: 0 });
    t.match(JSON.parse(readFileSync(join(registry, 'nginx/unikernel.json'), 'utf8')), {
      guest: 'unikraft',
      kernel: 'kernel',
      initrd: 'initrd',
      version: '0.17.0',
    });
  },
);
