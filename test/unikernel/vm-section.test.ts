import t from 'tap';
import { parseSpec } from '../../src/unikernel/spec.ts';
import { vmSettings } from '../../src/unikernel/vm-section.ts';
import { deepFreeze } from './support/fixtures.ts';

const vmOf = (vm: unknown) => vmSettings(deepFreeze({ ociVersion: '1.3.0', vm }));
const kernel = { path: '/vms/kernel' };

t.test('vmSettings() reads every field', async (t) => {
  const vm = {
    kernel: { path: '/vms/kernel', parameters: ['console=ttyS0', 'a b'], initrd: '/vms/initrd' },
    image: { path: '/vms/root.qcow2', format: 'qcow2' },
    hwConfig: { vcpus: 2, memory: 256 * 1024 * 1024 },
  };
  t.strictSame(vmOf(vm), {
    settings: {
      kernel: '/vms/kernel',
      initrd: '/vms/initrd',
      cmdline: 'console=ttyS0 a b',
      disk: '/vms/root.qcow2',
      cpus: '2',
      memory: '256MiB',
    },
    written: {
      kernel: 'vm.kernel.path',
      initrd: 'vm.kernel.initrd',
      cmdline: 'vm.kernel.parameters',
      disk: 'vm.image.path',
      cpus: 'vm.hwConfig.vcpus',
      memory: 'vm.hwConfig.memory',
    },
    source: "the bundle's config.json",
    isUrunc: false,
  });
});

t.test('vmSettings() takes a kernel alone, and an image alone', async (t) => {
  t.strictSame(vmOf({ kernel })?.settings, { kernel: '/vms/kernel' });
  t.strictSame(vmOf({ image: { path: '/a.img', format: 'raw' } })?.settings, { disk: '/a.img' });
  t.strictSame(vmOf({ image: { path: '/a.qcow2', format: 'qcow2' } })?.written, { disk: 'vm.image.path' });
  t.strictSame(vmOf({ kernel: { ...kernel, initrd: '', parameters: null } })?.settings, {
    kernel: '/vms/kernel',
  });
  t.strictSame(vmOf({ kernel: { ...kernel, parameters: [] } })?.settings, {
    kernel: '/vms/kernel',
    cmdline: '',
  });
});

t.test('vmSettings() finds nothing where no machine is described', async (t) => {
  for (const vm of [undefined, null, {}, { kernel: null, image: null }, { hwConfig: { vcpus: 1 } }])
    t.equal(vmOf(vm), undefined, JSON.stringify(vm));
  t.equal(vmSettings({}), undefined);
});

t.test('vmSettings() knows hwConfig in both spellings, and memory in bytes', async (t) => {
  for (const spelling of ['hwConfig', 'hwconfig']) {
    const settings = (hardware: object) => vmOf({ kernel, [spelling]: hardware })?.settings;
    t.match(settings({ vcpus: 3, memory: 2 ** 30 }), { cpus: '3', memory: '1GiB' }, spelling);
    t.match(settings({ memory: 1 }), { memory: '1MiB' }, 'the least there is');
    t.match(settings({ memory: 3 * 2 ** 20 - 1 }), { memory: '2MiB' }, 'never more than is said');
    t.strictSame(
      settings({ deviceTree: '', dtdevs: [], iomems: [], irqs: null, vcpus: null }),
      { kernel: '/vms/kernel' },
      'fields without content',
    );
  }
  t.match(
    vmOf({ kernel, hwConfig: { vcpus: 1 }, hwconfig: { vcpus: 2 } }),
    { settings: { cpus: '1' } },
    "the specification's spelling wins",
  );
});

t.test('vmSettings() refuses what ucrun cannot honour', async (t) => {
  const cases: readonly [vm: object, message: string, hint: RegExp][] = [
    [
      { kernel, hypervisor: { path: '/usr/bin/qemu' } },
      "vm.hypervisor in the bundle's config.json cannot be used",
      /vmm\.qemu and vmm\.extra_args/,
    ],
    [{ kernel, hypervisor: {} }, "vm.hypervisor in the bundle's config.json cannot be used", /config\.toml/],
    [
      { kernel, hypervisor: 'qemu' },
      "vm.hypervisor in the bundle's config.json cannot be used",
      /config\.toml/,
    ],
    ...['raw ', 'vdi', 'vmdk', 'vhd', '', 7].map((format): [object, string, RegExp] => [
      { image: { path: '/a', format } },
      `vm.image.format in the bundle's config.json is ${JSON.stringify(format)}, not "raw" or "qcow2"`,
      /qemu-img convert/,
    ]),
    [
      { image: { path: '/a' } },
      'vm.image.format in the bundle\'s config.json is nothing, not "raw" or "qcow2"',
      /qemu-img convert/,
    ],
    ...(
      [
        ['deviceTree', '/dt'],
        ['dtdevs', ['/x']],
        ['iomems', [{ firstGFN: 1 }]],
        ['irqs', [1]],
      ] as const
    ).map(([key, value]): [object, string, RegExp] => [
      { kernel, hwConfig: { [key]: value } },
      `vm.hwConfig.${key} in the bundle's config.json cannot be used`,
      /none of the host/,
    ]),
  ];
  for (const [vm, message, hint] of cases)
    t.throws(() => vmOf(vm), { code: 'UNIKERNEL_INVALID', message, hint }, JSON.stringify(vm));
});

t.test('vmSettings() names a field that is not as the specification has it', async (t) => {
  const path = 'an absolute path';
  const count = 'a whole number above 0';
  const cases: readonly [vm: unknown, field: string, wanted: string, shown: string][] = [
    ['x', 'vm', 'an object', '"x"'],
    [[], 'vm', 'an object', '[]'],
    [{ kernel: '/k' }, 'vm.kernel', 'an object', '"/k"'],
    [{ kernel: [] }, 'vm.kernel', 'an object', '[]'],
    [{ image: true }, 'vm.image', 'an object', 'true'],
    [{ kernel: {} }, 'vm.kernel.path', path, 'nothing'],
    [{ kernel: { path: '' } }, 'vm.kernel.path', path, '""'],
    [{ kernel: { path: null } }, 'vm.kernel.path', path, 'null'],
    [{ kernel: { path: 'k' } }, 'vm.kernel.path', path, '"k"'],
    [{ kernel: { path: '../k' } }, 'vm.kernel.path', path, '"../k"'],
    [{ kernel: { path: 7 } }, 'vm.kernel.path', path, '7'],
    [{ kernel: { ...kernel, initrd: 'i' } }, 'vm.kernel.initrd', path, '"i"'],
    [{ kernel: { ...kernel, initrd: ['/i'] } }, 'vm.kernel.initrd', path, '["/i"]'],
    [{ kernel, image: {} }, 'vm.image.path', path, 'nothing'],
    [{ image: { path: 'a.img', format: 'raw' } }, 'vm.image.path', path, '"a.img"'],
    [
      { image: { path: '/a.img,/etc/shadow', format: 'raw' } },
      'vm.image.path',
      'a path without commas and colons',
      '"/a.img,/etc/shadow"',
    ],
    [
      { image: { path: '/a.img:/data', format: 'raw' } },
      'vm.image.path',
      'a path without commas and colons',
      '"/a.img:/data"',
    ],
    [{ kernel: { ...kernel, parameters: 'a b' } }, 'vm.kernel.parameters', 'a list of strings', '"a b"'],
    [{ kernel: { ...kernel, parameters: ['a', 1] } }, 'vm.kernel.parameters', 'a list of strings', '["a",1]'],
    [{ kernel, hwConfig: [] }, 'vm.hwConfig', 'an object', '[]'],
    [{ kernel, hwconfig: 1 }, 'vm.hwconfig', 'an object', '1'],
    ...[0, -1, 1.5, '2', true, {}].flatMap((value): [unknown, string, string, string][] =>
      ['vcpus', 'memory'].map((key) => [
        { kernel, hwConfig: { [key]: value } },
        `vm.hwConfig.${key}`,
        count,
        JSON.stringify(value),
      ]),
    ),
  ];
  for (const [vm, field, wanted, shown] of cases)
    t.throws(
      () => vmOf(vm),
      {
        code: 'SPEC_INVALID',
        message: `${field} in the bundle's config.json must be ${wanted}, not ${shown}`,
      },
      JSON.stringify(vm),
    );
});

t.test('vmSettings() refuses a number that no machine has', async (t) => {
  const { raw } = parseSpec(
    '{"ociVersion": "1.3.0", "vm": {"kernel": {"path": "/k"}, "hwConfig": {"memory": 18446744073709551615}}}',
  );
  t.throws(() => vmSettings(raw), { code: 'SPEC_INVALID', message: /, not 18446744073709551615$/ });
});
