import t from 'tap';
import {
  type DefinitionKey,
  definitionKeys,
  parseDefinition,
  rootOf,
} from '../../src/unikernel/definition.ts';
import { guestKinds } from '../../src/unikernel/guests/guest.ts';

const source = '/r/x/unikernel.json';
const least = { guest: 'raw', kernel: 'k.elf' };

t.test('parseDefinition() gives the least definition its defaults', async (t) => {
  t.strictSame(parseDefinition(least, source), {
    guest: 'raw',
    kernel: 'k.elf',
    initrd: undefined,
    disks: [],
    root: undefined,
    share: undefined,
    cmdline: '',
    version: undefined,
    environment: 'own',
    memoryMiB: undefined,
    cpus: undefined,
    ports: [],
    model: undefined,
    network: undefined,
    powerButton: undefined,
  });
});

t.test('parseDefinition() reads every key, as a file and as annotations have it', async (t) => {
  const expected = {
    guest: 'linux',
    kernel: 'vmlinuz',
    initrd: 'initrd',
    disks: [
      { file: 'a.img', path: undefined, readOnly: false },
      { file: '/b c.qcow2', path: '/data', readOnly: true },
    ],
    root: 'initrd',
    share: 'virtiofs',
    cmdline: 'ip={ipv4}  x="a b"',
    version: '6.1',
    environment: 'all',
    memoryMiB: 2048,
    cpus: 2,
    ports: [
      { host: 8080, guest: 8080, protocol: 'tcp' },
      { host: 9090, guest: 90, protocol: 'udp' },
    ],
    model: 'q35',
    network: 'user',
    powerButton: false,
  };
  const texts = {
    guest: 'linux',
    kernel: 'vmlinuz',
    initrd: 'initrd',
    root: 'initrd',
    share: 'virtiofs',
    cmdline: expected.cmdline,
    version: '6.1',
    environment: 'all',
    memory: '2GiB',
    machine: 'q35',
    network: 'user',
  };
  const disk = ['a.img', '/b c.qcow2:/data:ro'];
  const file = { ...texts, disk, cpus: 2, ports: ['8080', '9090:90/udp'], powerButton: false };
  const annotations = {
    ...texts,
    disk: disk.join(','),
    cpus: '2',
    ports: '8080,9090:90/udp',
    powerButton: 'false',
  };
  t.strictSame(parseDefinition(file, source), expected);
  t.strictSame(parseDefinition(annotations, source), expected);
  t.strictSame(Object.keys(file).sort(), [...definitionKeys].sort(), 'no key is left out of this test');
});

t.test('parseDefinition() refuses a wrong value of each key', async (t) => {
  const text = 'must be a string, not';
  const cases: readonly [key: DefinitionKey, value: unknown, code: string, problem: string][] = [
    ['guest', 1, 'UNIKERNEL_INVALID', `"guest" in ${source} ${text} 1`],
    ['guest', '', 'UNIKERNEL_INVALID', `"guest" is missing from ${source}`],
    ['guest', undefined, 'UNIKERNEL_INVALID', `"guest" is missing from ${source}`],
    ['guest', 'Raw', 'GUEST_UNKNOWN', `unknown guest type "Raw" in ${source}`],
    ['guest', 'toString', 'GUEST_UNKNOWN', `unknown guest type "toString" in ${source}`],
    ['kernel', ['k'], 'UNIKERNEL_INVALID', `"kernel" in ${source} ${text} ["k"]`],
    ['kernel', null, 'UNIKERNEL_INVALID', `"kernel" in ${source} ${text} null`],
    ['kernel', '', 'UNIKERNEL_INVALID', `"kernel" is missing from ${source}`],
    ['kernel', undefined, 'UNIKERNEL_INVALID', `"kernel" is missing from ${source}`],
    [
      'kernel',
      'a\0b',
      'UNIKERNEL_INVALID',
      `"kernel" in ${source} must be one line of text, not "a\\u0000b"`,
    ],
    ['initrd', true, 'UNIKERNEL_INVALID', `"initrd" in ${source} ${text} true`],
    ['disk', 1, 'UNIKERNEL_INVALID', `"disk" in ${source} must be a file, or a list of files, not 1`],
    ...['', ':/data', 'a:data', 'a:/b:c', 'a\nb', ['a', 1]].map(
      (value): [key: DefinitionKey, value: unknown, code: string, problem: string] => [
        'disk',
        value,
        'UNIKERNEL_INVALID',
        `"disk" in ${source} must be written as FILE, FILE:/mount/point or FILE:/mount/point:ro, not ${JSON.stringify(
          typeof value === 'string' ? value : value[1],
        )}`,
      ],
    ),
    [
      'root',
      'nfs',
      'UNIKERNEL_INVALID',
      `"root" in ${source} must be "none" or "initrd" or "disk" or "9p", not "nfs"`,
    ],
    [
      'root',
      '9p',
      'UNIKERNEL_INVALID',
      `"root" in ${source} is "9p", which a guest of type "raw" cannot have`,
    ],
    ['root', 'initrd', 'UNIKERNEL_INVALID', `"initrd" is missing from ${source}`],
    ['share', 'nfs', 'UNIKERNEL_INVALID', `"share" in ${source} must be "9p" or "virtiofs", not "nfs"`],
    [
      'share',
      'virtiofs',
      'UNIKERNEL_INVALID',
      `"share" in ${source} is "virtiofs", which a guest of type "raw" cannot have`,
    ],
    ['root', 'disk', 'UNIKERNEL_INVALID', `"disk" is missing from ${source}`],
    [
      'environment',
      'some',
      'UNIKERNEL_INVALID',
      `"environment" in ${source} must be "own" or "all", not "some"`,
    ],
    ['version', 0.16, 'UNIKERNEL_INVALID', `"version" in ${source} ${text} 0.16`],
    ['cmdline', 'a\nb', 'UNIKERNEL_INVALID', `"cmdline" in ${source} must be one line of text, not "a\\nb"`],
    ['cmdline', 'a\rb', 'UNIKERNEL_INVALID', `"cmdline" in ${source} must be one line of text, not "a\\rb"`],
    ['memory', 128, 'UNIKERNEL_INVALID', `"memory" in ${source} ${text} 128`],
    ['memory', '128', 'MEMORY_INVALID', `memory in ${source} is "128", not a size`],
    ['memory', '0MiB', 'MEMORY_INVALID', `memory in ${source} is "0MiB", not a size`],
    [
      'ports',
      8080,
      'UNIKERNEL_INVALID',
      `"ports" in ${source} must be a list such as ["8080", "9090/udp"], not 8080`,
    ],
    [
      'ports',
      [8080],
      'UNIKERNEL_INVALID',
      `"ports" in ${source} must be a list such as ["8080", "9090/udp"], not [8080]`,
    ],
    ['ports', ['http'], 'PORT_INVALID', `"http" in ports in ${source} is not a port`],
    ['ports', ['80', '80'], 'PORT_INVALID', `ports in ${source} names port 80/tcp twice`],
    ['machine', 'pc', 'UNIKERNEL_INVALID', `"machine" in ${source} must be "microvm" or "q35", not "pc"`],
    [
      'network',
      'tap',
      'UNIKERNEL_INVALID',
      `"network" in ${source} must be "auto" or "user" or "none", not "tap"`,
    ],
    ['machine', 1, 'UNIKERNEL_INVALID', `"machine" in ${source} ${text} 1`],
    [
      'powerButton',
      'yes',
      'UNIKERNEL_INVALID',
      `"powerButton" in ${source} must be true or false, not "yes"`,
    ],
    ['powerButton', 1, 'UNIKERNEL_INVALID', `"powerButton" in ${source} must be true or false, not 1`],
  ];
  for (const [key, value, code, message] of cases) {
    t.throws(
      () => parseDefinition({ ...least, [key]: value }, source),
      { code, message },
      `${key}: ${JSON.stringify(value)}`,
    );
  }
  for (const cpus of [0, -1, 1.5, 256, Number.NaN, null, [1], 'two', '', '1.5', '0x2', '1e1', ' 2', '256']) {
    t.throws(
      () => parseDefinition({ ...least, cpus }, source),
      {
        code: 'UNIKERNEL_INVALID',
        message: `"cpus" in ${source} must be a whole number from 1 to 255, not ${JSON.stringify(cpus)}`,
      },
      `cpus: ${JSON.stringify(cpus)}`,
    );
  }
  const untested = definitionKeys.filter(
    (key) => key !== 'cpus' && !cases.some(([tested]) => tested === key),
  );
  t.strictSame(untested, [], 'every key has a wrong value in this test');
});

t.test('parseDefinition() knows every type of guest, and which one can do without a kernel', async (t) => {
  for (const guest of guestKinds) {
    t.equal(parseDefinition({ guest, kernel: 'k', disk: 'd.img' }, source).guest, guest);
    const fromDisk = () => parseDefinition({ guest, disk: 'd.img' }, source);
    if (guest === 'nanos')
      t.strictSame(fromDisk().disks, [{ file: 'd.img', path: undefined, readOnly: false }]);
    else
      t.throws(fromDisk, { code: 'UNIKERNEL_INVALID', message: `"kernel" is missing from ${source}` }, guest);
  }
  for (const files of [{}, { kernel: 'k' }])
    t.throws(() => parseDefinition({ guest: 'nanos', ...files }, source), {
      code: 'UNIKERNEL_INVALID',
      message: `"disk" is missing from ${source}`,
      hint: 'this guest type reads all that it is told from a disk image',
    });
  t.throws(() => parseDefinition({ guest: 'unikernel', kernel: 'k' }, source), {
    code: 'GUEST_UNKNOWN',
    hint: `known guest types: ${guestKinds.join(', ')}`,
  });
});

t.test('parseDefinition() says what the guests of others would need', async (t) => {
  for (const [guest, need] of [
    ['rumprun', /tender of Solo5/],
    ['solo5-hvt', /tender solo5-hvt.*"mirage"/],
    ['solo5-spt', /tender solo5-spt.*"mirage"/],
    ['includeos', /"raw"/],
    ['freebsd', /"raw"/],
  ] as const) {
    t.throws(
      () => parseDefinition({ guest, kernel: 'k' }, source),
      {
        code: 'GUEST_UNSUPPORTED',
        message: `guest type "${guest}" in ${source} is one that ucrun cannot run`,
        hint: need,
      },
      guest,
    );
  }
});

t.test('rootOf() is what was defined, else the first thing that can hold a root', async (t) => {
  const cases: readonly [definition: object, root: string][] = [
    [{ guest: 'linux' }, 'none'],
    [{ guest: 'linux', initrd: 'i', disk: 'd' }, 'initrd'],
    [{ guest: 'linux', initrd: 'i', disk: 'd', root: 'disk' }, 'disk'],
    [{ guest: 'linux', disk: 'd' }, 'disk'],
    [{ guest: 'linux', disk: 'd:/data' }, 'none'],
    [{ guest: 'linux', root: '9p' }, '9p'],
    [{ guest: 'unikraft', disk: 'd' }, 'none'],
    [{ guest: 'hermit', initrd: 'i' }, 'none'],
    [{ guest: 'nanos', disk: 'd' }, 'disk'],
  ];
  for (const [definition, root] of cases)
    t.equal(
      rootOf(parseDefinition({ kernel: 'k', ...definition }, source)),
      root,
      JSON.stringify(definition),
    );
});

t.test('parseDefinition() writes keys as the source does', async (t) => {
  const shown = (key: string) => `ucrun.${key}`;
  const parse = (raw: object) => () => parseDefinition({ ...raw }, 'the annotations', shown);
  t.throws(parse({ guest: 'raw' }), { message: '"ucrun.kernel" is missing from the annotations' });
  t.throws(parse({ ...least, cpus: 'x' }), { message: /^"ucrun\.cpus" in the annotations must be / });
  t.throws(parse({ ...least, memory: '1' }), {
    message: 'ucrun.memory in the annotations is "1", not a size',
  });
  t.throws(parse({ ...least, ports: 'x' }), {
    message: '"x" in ucrun.ports in the annotations is not a port',
  });
  t.throws(parse({ ...least, cpu: '1' }), {
    message: 'unknown key "ucrun.cpu" in the annotations',
    hint: 'did you mean "ucrun.cpus"?',
  });
});

t.test('parseDefinition() refuses an unknown key and names the nearest', async (t) => {
  const cases: readonly [key: string, hint: string | RegExp][] = [
    ['kernal', 'did you mean "kernel"?'],
    ['power_button', 'did you mean "powerButton"?'],
    ['colour', /^known keys: guest, kernel, initrd, /],
    ['constructor', /^known keys: /],
  ];
  for (const [key, hint] of cases) {
    const expected = { code: 'UNIKERNEL_INVALID', message: `unknown key "${key}" in ${source}`, hint };
    t.throws(() => parseDefinition({ ...least, [key]: 'x' }, source), expected, key);
  }
});
