import t from 'tap';
import { definitionFromUrunc, uruncPrefix } from '../../src/unikernel/urunc-keys.ts';
import { Random } from './support/random.ts';

type Values = Readonly<Record<string, string>>;

const withPrefix = (values: Values) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [uruncPrefix + name, value]));
const read = (values: Values) => definitionFromUrunc(withPrefix(values), 'the annotations');
const settingsOf = (values: Values) => read(values).settings;
const base64 = (text: string) => Buffer.from(text).toString('base64');
const encoded = (values: Values) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, base64(value)]));

const whole = {
  unikernelType: 'unikraft',
  unikernelVersion: '0.16.1',
  hypervisor: 'qemu',
  binary: '/unikernel/app_qemu-x86_64',
  initrd: '/unikernel/initrd.cpio',
  cmdline: 'hello world',
};

t.test('definitionFromUrunc() gives values our keys, plain, in base64 or mixed', async (t) => {
  const expected = {
    settings: {
      guest: 'unikraft',
      kernel: '/unikernel/app_qemu-x86_64',
      initrd: '/unikernel/initrd.cpio',
      version: '0.16.1',
    },
    written: {
      guest: 'com.urunc.unikernel.unikernelType',
      kernel: 'com.urunc.unikernel.binary',
      initrd: 'com.urunc.unikernel.initrd',
      version: 'com.urunc.unikernel.unikernelVersion',
    },
  };
  t.strictSame(read(whole), expected);
  t.strictSame(read(encoded(whole)), expected);
  t.strictSame(read({ ...whole, binary: base64(whole.binary) }), expected);
  t.strictSame(read({ ...encoded(whole), unikernelType: whole.unikernelType }), expected);
  t.strictSame(
    read(encoded({ ...whole, binary: `${whole.binary}\n` })),
    expected,
    'as echo | base64 makes it',
  );
  t.strictSame(read({ ...whole, binary: ` ${whole.binary}\n` }), expected);
});

t.test('definitionFromUrunc() looks at nothing but its own keys', async (t) => {
  t.strictSame(definitionFromUrunc({}, 'x'), { settings: {}, written: {} });
  const values = {
    binary: '/no',
    'ucrun.kernel': '/no',
    'com.urunc.unikernel': '/no',
    'com.urunc.unikernel.': '/no',
    'com.urunc.unikernel.Binary': '/no',
    'com.urunc.unikernel.toString': '/no',
    'com.urunc.unikernel.cmdline': 'no',
    'com.urunc.unikernel.somethingNew': 'no',
  };
  t.strictSame(definitionFromUrunc(values, 'x'), { settings: {}, written: {} });
  for (const empty of ['', ' ', '\n', base64('\n')])
    t.strictSame(settingsOf({ binary: empty, initrd: empty }), {}, JSON.stringify(empty));
});

t.test('definitionFromUrunc() keeps words that happen to be base64', async (t) => {
  const words = [
    'disk',
    'file',
    'blow',
    'bios',
    'blog',
    'blox',
    'c3po',
    'd2ho',
    'boot',
    'kernel',
    'unikraft',
    'mirage12',
    'a/b/c/d/',
    'bzImage1',
    'Image+gz',
    'vmlinuz-6.1.0',
    '/bin',
    '/bin/app',
    '/unikernel/unikraft',
    '/Lib/KERNEL0',
    '/+++',
    '====',
    'YQ=',
    'YR==',
    'a b c d ',
    'é',
  ];
  for (const word of words) t.strictSame(settingsOf({ binary: word }), { kernel: word.trim() }, word);
  // In base64, but of no text.
  for (const bytes of [[0], [0xff, 0xfe, 0xfd], [0x2f, 0x61, 0], [0x61, 0x0a, 0x62], [0x1b, 0x5b, 0x41]]) {
    const value = Buffer.from(bytes).toString('base64');
    t.strictSame(settingsOf({ binary: value }), { kernel: value }, value);
  }
});

t.test('definitionFromUrunc() mangles no plain name and no absolute path', async (t) => {
  const random = new Random(11);
  const nameCharacters = [...'abcdefghijklmnopqrstuvwxyz0123456789._-'];
  const pathCharacters = [...nameCharacters, ...'ABCDEFGHIJKLMNOPQRSTUVWXYZ+/= ,:'];
  for (let round = 0; round < 50_000; round++) {
    const name = random.text(nameCharacters, 8);
    if (name !== '' && settingsOf({ binary: name }).kernel !== name) t.fail(`name ${name}`);
    const path = `/${random.text(pathCharacters, 15)}x`;
    if (settingsOf({ binary: path }).kernel !== path) t.fail(`path ${path}`);
    if (settingsOf({ binary: base64(path) }).kernel !== path) t.fail(`encoded path ${path}`);
  }
  // All the words that a lower-case alphabet can spell with four letters, which is as long as one group of base64.
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
  for (const a of letters)
    for (const b of letters)
      for (const c of letters)
        for (const d of 'abmz059-') {
          const word = a + b + c + d;
          if (settingsOf({ binary: word }).kernel !== word) t.fail(word);
        }
});

t.test('definitionFromUrunc() reads what urunc writes in base64', async (t) => {
  const guests = ['unikraft', 'mirage', 'rumprun', 'mewz', 'hermit', 'linux', 'nanos', 'osv', 'raw'];
  for (const guest of guests)
    t.strictSame(settingsOf({ unikernelType: base64(guest) }), { guest }, base64(guest));
  for (const kernel of [
    'kernel',
    'unikernel/hello.hvt',
    'app',
    'vmlinuz',
    'boot/bzImage',
    '/path with spaces/k',
  ])
    t.strictSame(settingsOf({ binary: base64(kernel) }), { kernel }, base64(kernel));
});

t.test(
  'definitionFromUrunc() takes guests that were made for QEMU, and Linux ones for its like',
  async (t) => {
    const accepted: readonly (readonly [monitor: string, guest: string])[] = [
      ['qemu', 'unikraft'],
      ['qemu', 'linux'],
      ['', 'mirage'],
      ['firecracker', 'linux'],
      ['cloud-hypervisor', 'linux'],
    ];
    for (const [hypervisor, unikernelType] of accepted) {
      const values = { hypervisor, unikernelType };
      t.strictSame(settingsOf(values), { guest: unikernelType }, hypervisor);
      t.strictSame(settingsOf(encoded(values)), { guest: unikernelType }, hypervisor);
    }
    t.strictSame(settingsOf({ unikernelType: 'mirage' }), { guest: 'mirage' });
    const refused: readonly (readonly [monitor: string, guest: string])[] = [
      ['hvt', 'mirage'],
      ['spt', 'rumprun'],
      ['firecracker', 'unikraft'],
      ['cloud-hypervisor', 'nanos'],
      ['firecracker', ''],
      ['hvt', 'linux'],
      ['QEMU', 'linux'],
      ['qemu-system-x86_64', 'linux'],
      ['constructor', 'linux'],
    ];
    for (const [hypervisor, unikernelType] of refused) {
      for (const values of [{ hypervisor, unikernelType }, encoded({ hypervisor, unikernelType })])
        t.throws(
          () => read(values),
          {
            code: 'GUEST_UNSUPPORTED',
            message: `"com.urunc.unikernel.hypervisor" in the annotations is "${hypervisor}", not "qemu"`,
            hint: 'guests run on QEMU here: build the unikernel for it, and say "qemu" there',
          },
          JSON.stringify(values),
        );
    }
  },
);

t.test('definitionFromUrunc() makes a disk of the block image, and says where it is mounted', async (t) => {
  const cases: readonly [values: Values, disk: string][] = [
    [{ block: '/rootfs.img' }, '/rootfs.img'],
    [{ block: '/rootfs.img', blkMntPoint: '/' }, '/rootfs.img'],
    [{ block: '/rootfs.img', blkMntPoint: '' }, '/rootfs.img'],
    [{ block: '/data.img', blkMntPoint: '/data' }, '/data.img:/data'],
    [{ block: 'disk', blkMntPoint: '/data' }, 'disk:/data'],
  ];
  for (const [values, disk] of cases) {
    const expected = { settings: { disk }, written: { disk: 'com.urunc.unikernel.block' } };
    t.strictSame(read(values), expected, JSON.stringify(values));
    if (values.block !== 'disk') t.strictSame(read(encoded(values)), expected, 'in base64');
  }
  t.strictSame(read({ blkMntPoint: '/data' }), { settings: {}, written: {} });
});

t.test("definitionFromUrunc() makes the container's root the guest's where urunc would", async (t) => {
  for (const name of ['mountRootfs', 'useDMBlock']) {
    for (const value of ['true', 'True', 'TRUE', '1', base64('true'), base64('1')])
      t.strictSame(
        read({ [name]: value }),
        { settings: { root: '9p' }, written: { root: `com.urunc.unikernel.${name}` } },
        `${name} ${value}`,
      );
    for (const value of ['false', '0', '', 'yes', 'truely', base64('false')])
      t.strictSame(settingsOf({ [name]: value }), {}, `${name} ${value}`);
    t.strictSame(settingsOf({ [name]: 'true', block: '/b.img' }), { disk: '/b.img' }, 'but not with a disk');
    t.strictSame(settingsOf({ [name]: 'true', initrd: '/i' }), { initrd: '/i' }, 'nor with a memory disk');
  }
  t.match(read({ mountRootfs: 'false', useDMBlock: 'true' }).written, {
    root: 'com.urunc.unikernel.useDMBlock',
  });
});
