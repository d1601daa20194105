import t from 'tap';
import type { GuestInput } from '../../../src/unikernel/guests/guest.ts';
import { placeholders, raw } from '../../../src/unikernel/guests/raw.ts';
import { bothFamilies, nothing as empty, threeCards } from '../support/guest-inputs.ts';
import { card } from '../support/plans.ts';

const full: GuestInput = {
  ...empty,
  args: ['one', '--two=3'],
  env: ['A=B'],
  hostname: 'web',
  network: bothFamilies,
  port: 8080,
};

t.test('raw.commandLine() fills every placeholder', async (t) => {
  const values: Readonly<Record<(typeof placeholders)[number], string>> = {
    ipv4: '10.88.0.2',
    ipv4_prefix: '16',
    ipv4_mask: '255.255.0.0',
    ipv4_gateway: '10.88.0.1',
    ipv6: 'fd00:88::2',
    ipv6_prefix: '64',
    ipv6_gateway: 'fd00:88::1',
    dns: '10.88.0.1',
    mac: '72:d1:97:ae:69:c5',
    hostname: 'web',
    port: '8080',
    args: 'one --two=3',
  };
  t.strictSame(Object.keys(values), placeholders);
  for (const [name, value] of Object.entries(values)) {
    t.equal(raw.commandLine({ ...full, cmdline: `{${name}}` }), value, name);
    t.equal(
      raw.commandLine({ ...empty, cmdline: `a {${name}} x={${name}} b` }),
      'a b',
      `${name} without a value`,
    );
  }
});

t.test('raw.commandLine() keeps, fills and leaves out words', async (t) => {
  const noGateway = { ...full, network: { cards: [{ ...card, ipv4Gateway: undefined }], nameServers: [] } };
  const noAddress = { ...full, network: { cards: [{ ...card, ipv4: undefined }], nameServers: [] } };
  const cases: readonly [input: GuestInput, cmdline: string, expected: string][] = [
    [full, '', ''],
    [full, 'console=x', 'console=x'],
    [full, '  a   b ', 'a b'],
    [
      full,
      'name=hello ip={ipv4}/{ipv4_prefix} gw={ipv4_gateway} port={port}',
      'name=hello ip=10.88.0.2/16 gw=10.88.0.1 port=8080',
    ],
    [empty, 'name=hello ip={ipv4}/{ipv4_prefix} gw={ipv4_gateway} port={port}', 'name=hello'],
    [noGateway, 'ip={ipv4} gw={ipv4_gateway} both={ipv4},{ipv4_gateway} dns={dns}', 'ip=10.88.0.2'],
    [noAddress, 'ip={ipv4} mask={ipv4_mask} mac={mac}', 'mac=72:d1:97:ae:69:c5'],
    [full, '{ipv4}{ipv4}', '10.88.0.210.88.0.2'],
    [full, '{unknown} {} { } {IPV4} {{port}} $PORT', '{unknown} {} { } {IPV4} {8080} $PORT'],
    [full, '{toString} {__proto__}', '{toString} {__proto__}'],
    [{ ...full, hostname: '' }, 'a h={hostname}', 'a'],
    [{ ...full, args: [] }, '-- {args}', '--'],
    [{ ...full, hostname: '{port}' }, 'h={hostname}', 'h={port}'],
    [full, '{ipv4:1} two={ipv4:2} {port:1} {ipv4:0} {ipv4:}', '10.88.0.2 {port:1} {ipv4:0} {ipv4:}'],
    [
      { ...full, network: threeCards },
      'a={ipv4}/{ipv4_prefix:1} b={ipv4:2} c={ipv4:3}/{ipv4_prefix:3} d={mac:2}',
      'a=10.88.0.2/16 c=10.99.0.7/24 d=72:d1:97:ae:69:c5',
    ],
  ];
  for (const [input, cmdline, expected] of cases)
    t.equal(raw.commandLine({ ...input, cmdline }), expected, JSON.stringify(cmdline));
});

t.test('raw.commandLine() refuses arguments that are not one printable word', async (t) => {
  for (const argument of ['', 'a b', 'a\tb', 'a\nb', 'é', '\x7f', 'a\0']) {
    t.throws(
      () => raw.commandLine({ ...full, cmdline: '{args}', args: ['fine', argument] }),
      {
        code: 'GUEST_UNSUPPORTED',
        message: `argument ${JSON.stringify(argument)} cannot be given to a raw guest`,
        hint: /one word/,
      },
      JSON.stringify(argument),
    );
  }
  t.equal(raw.commandLine({ ...full, cmdline: '{args}', args: ['"\'\\$;|&<>~'] }), '"\'\\$;|&<>~');
});

t.test('raw.commandLine() refuses more than a page, counted in bytes', async (t) => {
  const line = (cmdline: string) => raw.commandLine({ ...empty, cmdline });
  t.equal(line('x'.repeat(4095)).length, 4095);
  t.equal(line(`${'é'.repeat(2047)}x`).length, 2048);
  for (const cmdline of ['x'.repeat(4096), 'é'.repeat(2048)]) {
    t.throws(() => line(cmdline), {
      code: 'GUEST_UNSUPPORTED',
      message: 'the command line is 4096 bytes long, and a guest of type "raw" takes at most 4095',
    });
  }
});

t.test('raw.isToldAddress() is so where a placeholder is an address', async (t) => {
  const cases: readonly [cmdline: string, isTold: boolean][] = [
    ['', false],
    ['ip=dhcp port={port} {args}', false],
    ['gw={ipv4_gateway} {ipv4_prefix} {mac}', false],
    ['{ipv5} {ipv4:0} ipv4', false],
    ['ip={ipv4}/{ipv4_prefix}', true],
    ['{ipv6}', true],
    ['a={ipv4:2}', true],
  ];
  for (const [cmdline, isTold] of cases) t.equal(raw.isToldAddress?.(cmdline), isTold, cmdline);
});
