import t from 'tap';
import { RuntimeError } from '../../../src/base/runtime-error.ts';
import type { GuestInput } from '../../../src/unikernel/guests/guest.ts';
import { linux } from '../../../src/unikernel/guests/linux.ts';
import type { GuestVolume } from '../../../src/unikernel/volumes.ts';
import { bothFamilies, nothing as empty } from '../support/guest-inputs.ts';
import { card } from '../support/plans.ts';
import { Random } from '../support/random.ts';

const always = 'console=ttyS0 panic=-1 quiet no_timer_check';

t.test('linux.commandLine() puts everything in its place', async (t) => {
  const line = linux.commandLine({
    ...empty,
    cmdline: 'root=/dev/vda rw',
    args: ['serve', 'a b', 'k=v w'],
    env: ['GREETING=hello world', 'PORT=8080', 'EMPTY='],
    hostname: 'web',
    network: { cards: [card], nameServers: ['10.88.0.1'] },
    port: 8080,
  });
  t.equal(
    line,
    `${always} root=/dev/vda rw ip=10.88.0.2::10.88.0.1:255.255.0.0:web:eth0:off:10.88.0.1 GREETING="hello world" PORT=8080 EMPTY= -- serve "a b" "k=v w"`,
  );
  t.equal(linux.commandLine(empty), always);
});

t.test('linux.commandLine() writes the ip= word that nfsroot.rst describes', async (t) => {
  const network = (nameServers: readonly string[], change: object = {}) => ({
    cards: [{ ...card, ...change }],
    nameServers,
  });
  const cases: readonly [
    network: GuestInput['network'],
    hostname: string | undefined,
    word: string | undefined,
  ][] = [
    [
      network(['8.8.8.8', '1.1.1.1']),
      'web',
      'ip=10.88.0.2::10.88.0.1:255.255.0.0:web:eth0:off:8.8.8.8:1.1.1.1',
    ],
    [
      network(['1.1.1.1', '2.2.2.2', '3.3.3.3']),
      'web',
      'ip=10.88.0.2::10.88.0.1:255.255.0.0:web:eth0:off:1.1.1.1:2.2.2.2 UCRUN_NETWORK=dns,3.3.3.3',
    ],
    [network([]), 'web', 'ip=10.88.0.2::10.88.0.1:255.255.0.0:web:eth0:off'],
    [
      network(['fd00::1', '9.9.9.9']),
      'web',
      'ip=10.88.0.2::10.88.0.1:255.255.0.0:web:eth0:off:9.9.9.9 UCRUN_NETWORK=dns,fd00::1',
    ],
    [network([]), undefined, 'ip=10.88.0.2::10.88.0.1:255.255.0.0::eth0:off'],
    // A colon or space would end the field; a name is not worth failing for.
    [network([]), 'a:b', 'ip=10.88.0.2::10.88.0.1:255.255.0.0::eth0:off'],
    [network([]), 'a b', 'ip=10.88.0.2::10.88.0.1:255.255.0.0::eth0:off'],
    [network([]), 'x'.repeat(65), 'ip=10.88.0.2::10.88.0.1:255.255.0.0::eth0:off'],
    [network([], { ipv4Gateway: undefined }), 'web', 'ip=10.88.0.2:::255.255.0.0:web:eth0:off'],
    [
      network([], { ipv4: { address: '10.0.0.1', prefixLength: 32 } }),
      'web',
      'ip=10.0.0.1:::255.255.255.255:web:eth0:off UCRUN_NETWORK=eth0,default>10.88.0.1',
    ],
    [{ cards: [], nameServers: [] }, 'web', undefined],
    [undefined, 'web', undefined],
  ];
  for (const [network, hostname, word] of cases) {
    const expected = word === undefined ? always : `${always} ${word}`;
    t.equal(linux.commandLine({ ...empty, network, hostname }), expected, word ?? 'no word');
  }
});

t.test(
  'linux.commandLine() refuses variables whose name is none, and values that cannot be written',
  async (t) => {
    const badNames = ['1A=b', 'A-B=c', 'A.B=c', '=c', 'A B=c', 'É=c', 'NAKED', ''];
    for (const entry of badNames) {
      t.throws(
        () => linux.commandLine({ ...empty, env: [entry] }),
        {
          code: 'GUEST_UNSUPPORTED',
          message: /^environment variable ".*" cannot be given to a Linux guest$/,
        },
        JSON.stringify(entry),
      );
    }
    for (const value of ['"', 'a"b', '\n', 'a\tb', '\x01', '\x7f']) {
      t.throws(
        () => linux.commandLine({ ...empty, env: [`A=${value}`] }),
        {
          code: 'GUEST_UNSUPPORTED',
          message: 'the value of environment variable "A" cannot be given to a Linux guest',
          hint: /double quote/,
        },
        JSON.stringify(value),
      );
    }
  },
);

t.test('linux.commandLine() refuses arguments that init would not get', async (t) => {
  for (const argument of ['', '--', '"', 'a"b', 'a\nb']) {
    t.throws(
      () => linux.commandLine({ ...empty, args: ['x', argument] }),
      { code: 'GUEST_UNSUPPORTED', message: /^argument .* cannot be given to a Linux guest$/ },
      JSON.stringify(argument),
    );
  }
});

t.test('linux.commandLine() tells init what the kernel has no words for', async (t) => {
  const line = (input: Partial<GuestInput>) => linux.commandLine({ ...empty, ...input }).slice(always.length);
  t.equal(
    line({ network: bothFamilies }),
    ' ip=10.88.0.2::10.88.0.1:255.255.0.0::eth0:off:10.88.0.1:1.1.1.1 UCRUN_NETWORK=eth0,fd00:88::2/64,default>fd00:88::1;dns,fd00::53',
  );
  t.equal(line({ workingDirectory: '/srv/a b' }), ' UCRUN_WORKDIR="/srv/a b"');
  t.throws(() => line({ workingDirectory: '/"' }), { code: 'GUEST_UNSUPPORTED' });
  const env = Array.from({ length: 30 }, (_, index) => `V${index}=`);
  t.ok(line({ env, workingDirectory: '/srv' }));
  t.throws(() => line({ env, workingDirectory: '/srv', network: bothFamilies }), {
    code: 'GUEST_UNSUPPORTED',
    message: '32 environment variables cannot be given to a Linux guest',
  });
});

t.test('linux.commandLine() tells init the names of others', async (t) => {
  const hosts = [
    { address: '192.0.2.7', names: ['db', 'db.example'] },
    { address: '2001:db8::1', names: ['six'] },
  ];
  const word = ' UCRUN_HOSTS=192.0.2.7=db,db.example;2001:db8::1=six';
  const line = (input: Partial<GuestInput>) => linux.commandLine({ ...empty, ...input });
  const network = { cards: [card], nameServers: [] };
  t.ok(line({ network: { ...network, hosts } }).endsWith(word));
  t.equal(line({ network: { ...network, hosts: [] } }), line({ network }));
});

t.test('linux.fittingHosts() takes what the kernel has room for, to the byte', async (t) => {
  const network = { cards: [card], nameServers: [] };
  const hosts = [
    { address: '192.0.2.7', names: ['db', 'db.example'] },
    { address: '2001:db8::1', names: ['six'] },
    { address: '192.0.2.8', names: ['x'] },
  ];
  const [first, second, third] = hosts;
  const fitting = (input: GuestInput, offered = hosts) => linux.fittingHosts?.(input, offered);
  const bare = { ...empty, network };
  t.strictSame(fitting(bare), hosts);
  const all = linux.commandLine({ ...bare, network: { ...network, hosts } });
  const filled = (bytes: number) => ({ ...bare, env: [`A=${'x'.repeat(bytes)}`] });
  const room = 2047 - all.length - ' A='.length;
  t.strictSame(fitting(filled(room)), hosts);
  t.equal(
    linux.commandLine({ ...filled(room), network: { ...network, hosts } }).length,
    2047,
    'and the line is taken',
  );
  t.strictSame(fitting(filled(room + 1)), [first, second], 'the last one does not fit');
  const lastTwo = ';2001:db8::1=six;192.0.2.8=x'.length;
  t.strictSame(fitting(filled(room + lastTwo - ';192.0.2.8=x'.length)), [first, third], 'a shorter one may');
  t.strictSame(fitting(filled(room + lastTwo)), [first]);
  t.strictSame(fitting(filled(2047 - linux.commandLine(bare).length - ' A='.length)), [], 'a full line');
  t.throws(() => fitting(filled(2047)), { code: 'GUEST_UNSUPPORTED' }, 'one that is too long without');

  const variables = (count: number) => Array.from({ length: count }, (_, index) => `V${index}=`);
  t.strictSame(fitting({ ...bare, env: variables(30) }), hosts);
  t.strictSame(fitting({ ...bare, env: variables(31) }), [], 'the variable counts, too');
  t.strictSame(fitting({ ...bare, env: variables(30), workingDirectory: '/srv' }), []);
});

t.test('linux.commandLine() names root and volumes', async (t) => {
  const line = (input: Partial<GuestInput>) => linux.commandLine({ ...empty, ...input }).slice(always.length);
  t.equal(line({ root: 'initrd' }), '');
  t.equal(line({ root: 'disk' }), ' root=/dev/vda rw');
  t.equal(
    line({ root: '9p' }),
    ' root=fs0 rw rootfstype=9p rootflags=trans=virtio,version=9p2000.L,msize=512000,cache=mmap',
  );
  const share: GuestVolume = {
    kind: 'share',
    driver: '9p',
    tag: 'fs1',
    path: '/data',
    readOnly: false,
    file: undefined,
  };
  const volumes: readonly GuestVolume[] = [
    share,
    { ...share, tag: 'fs2', path: '/etc/one', file: 'one', readOnly: true },
    { kind: 'disk', index: 1, path: '/disk', readOnly: false },
  ];
  t.equal(line({ tmpfs: ['/cache'] }), ' UCRUN_VOLUMES=tmpfs:/cache:rw');
  t.match(line({ tmpfs: ['/a', '/b'], volumes }), / UCRUN_VOLUMES="tmpfs:\/a:rw tmpfs:\/b:rw fs1:/);
  t.throws(() => line({ tmpfs: ['/a b'] }), { code: 'VOLUME_UNSUPPORTED' });
  t.equal(line({ volumes }), ' UCRUN_VOLUMES="fs1:/data:rw fs2/one:/etc/one:ro /dev/vdb:/disk:rw"');
  const other: GuestVolume = { ...share, driver: 'virtiofs' };
  t.equal(
    line({ volumes: [other, { ...other, tag: 'fs2', path: '/etc/one', file: 'one', readOnly: true }] }),
    ' UCRUN_VOLUMES="virtiofs:fs1:/data:rw virtiofs:fs2/one:/etc/one:ro"',
  );
  for (const path of ['/a b', '/a:b', '/a"', '/a\n'])
    t.throws(() => line({ volumes: [{ ...share, path }] }), { code: 'VOLUME_UNSUPPORTED' }, path);
});

t.test('linux.commandLine() refuses what the kernel would cut, counted in bytes', async (t) => {
  const room = 2047 - always.length - ' A='.length;
  t.equal(linux.commandLine({ ...empty, env: [`A=${'x'.repeat(room)}`] }).length, 2047);
  const tooLong = {
    code: 'GUEST_UNSUPPORTED',
    message:
      /^the command line is (2048|2050|2051) bytes long, and a guest of type "linux" takes at most 2047$/,
    hint: /fewer or shorter/,
  };
  t.throws(() => linux.commandLine({ ...empty, env: [`A=${'x'.repeat(room + 1)}`] }), tooLong);
  t.throws(() => linux.commandLine({ ...empty, env: [`A=${'é'.repeat(room / 2 + 1)}`] }), tooLong);
});

t.test('linux.commandLine() refuses more variables and arguments than the kernel has room for', async (t) => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => `V${index}=`);
  t.match(linux.commandLine({ ...empty, env: many(31), args: many(32) }), / V30= -- V0= .* V31=$/);
  t.throws(() => linux.commandLine({ ...empty, env: many(32) }), {
    code: 'GUEST_UNSUPPORTED',
    message: '32 environment variables cannot be given to a Linux guest',
    hint: /at most 31/,
  });
  t.throws(() => linux.commandLine({ ...empty, args: many(33) }), {
    code: 'GUEST_UNSUPPORTED',
    message: '33 arguments cannot be given to a Linux guest',
    hint: /at most 32/,
  });
});

/** What Linux's isspace() holds for: ASCII's white space, and the no-break space of Latin-1. */
const kernelSpace = new Set([0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0xa0]);
const quote = 0x22;
const equalsSign = 0x3d;

interface KernelWord {
  readonly name: string;
  readonly value: string | undefined;
}

/**
 * The words of a command line as Linux takes them: by bytes, a double quote switches the meaning of white space, and is dropped
 * only where it begins or ends a word or a value.
 * @see Linux lib/cmdline.c, next_arg()
 */
function kernelWords(line: string): readonly KernelWord[] {
  const words: KernelWord[] = [];
  let rest: Buffer = Buffer.from(line);
  for (;;) {
    while (rest.length > 0 && kernelSpace.has(rest[0] as number)) rest = rest.subarray(1);
    if (rest.length === 0) return words;
    let isInQuotes = false;
    const end = rest.findIndex((byte) => {
      if (byte === quote) isInQuotes = !isInQuotes;
      return !isInQuotes && kernelSpace.has(byte);
    });
    let word = rest.subarray(0, end === -1 ? rest.length : end);
    rest = end === -1 ? Buffer.alloc(0) : rest.subarray(end);
    if (word[0] === quote) word = unquoted(word);
    // The first byte of a word is never taken for the sign between name and value.
    const at = word.indexOf(equalsSign, 1);
    if (at === -1) words.push({ name: word.toString(), value: undefined });
    else
      words.push({
        name: word.subarray(0, at).toString(),
        value: unquoted(word.subarray(at + 1)).toString(),
      });
  }
}

function unquoted(bytes: Buffer): Buffer {
  if (bytes[0] !== quote) return bytes;
  return bytes.at(-1) === quote && bytes.length > 1 ? bytes.subarray(1, -1) : bytes.subarray(1);
}

/** The environment and the arguments of init: what comes behind the first `--` is arguments, joined again. */
function initSees(line: string): { readonly env: readonly string[]; readonly args: readonly string[] } {
  const words = kernelWords(line).map(({ name, value }) => (value === undefined ? name : `${name}=${value}`));
  const dashes = words.indexOf('--');
  const before = dashes === -1 ? words : words.slice(0, dashes);
  return { env: before.slice(always.split(' ').length), args: dashes === -1 ? [] : words.slice(dashes + 1) };
}

t.test('the kernel of this test reads words as next_arg() does', async (t) => {
  t.strictSame(kernelWords('a  b=c d="e f" "g h" "i=j k" =l=m n="" o=" p'), [
    { name: 'a', value: undefined },
    { name: 'b', value: 'c' },
    { name: 'd', value: 'e f' },
    { name: 'g h', value: undefined },
    { name: 'i', value: 'j k' },
    { name: '=l', value: 'm' },
    { name: 'n', value: '' },
    { name: 'o', value: ' p' },
  ]);
});

t.test('what linux.commandLine() accepts is what init gets', async (t) => {
  const random = new Random(2);
  const characters = [..."abcXYZ019_ ==,.:;/\\'$`!*-~{}", 'é', 'à', '\u00a0', '統', '💾', ' ', '--'];
  let accepted = 0;
  for (let round = 0; round < 5000; round++) {
    const rare = random.below(20) === 0 ? ['"', '\n', '\x7f'] : [];
    const text = () => random.text([...characters, ...rare], 12);
    const env = Array.from({ length: random.below(4) }, (_, index) => `V${index}=${text()}`);
    const args = Array.from({ length: random.below(4) }, text);
    let line: string;
    try {
      line = linux.commandLine({ ...empty, env, args });
    } catch (error) {
      if (!(error instanceof RuntimeError) || error.code !== 'GUEST_UNSUPPORTED') throw error;
      const isHopeless =
        args.some((arg) => arg === '' || arg === '--') || /["\n\x7f]/.test([...env, ...args].join(''));
      if (!isHopeless) t.fail(`round ${round}: refused ${JSON.stringify({ env, args })}`);
      continue;
    }
    accepted++;
    const seen = initSees(line);
    if (JSON.stringify(seen) === JSON.stringify({ env, args })) continue;
    t.strictSame(seen, { env, args }, `round ${round}: ${line}`);
    return;
  }
  t.ok(accepted > 3000, `${accepted} of 5000 were accepted`);
});
