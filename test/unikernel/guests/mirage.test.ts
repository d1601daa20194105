import t from 'tap';
import type { GuestInput } from '../../../src/unikernel/guests/guest.ts';
import { mirage } from '../../../src/unikernel/guests/mirage.ts';
import { sandboxPaths } from '../../../src/unikernel/sandbox-paths.ts';
import type { GuestVolume } from '../../../src/unikernel/volumes.ts';
import { bothFamilies, ipv4Only, nothing, threeCards } from '../support/guest-inputs.ts';
import { mirageSees } from '../support/mirage-parser.ts';
import { card } from '../support/plans.ts';
import { checkRoundTrips } from '../support/round-trips.ts';

const asLoaded = (line: string) => `${sandboxPaths.kernel} ${line}`;
const line = (input: Partial<GuestInput>) => mirage.commandLine({ ...nothing, ...input });

t.test('mirage.commandLine() has addresses and arguments, and no environment', async (t) => {
  const addresses = '--ipv4=10.88.0.2/16 --ipv4-gateway=10.88.0.1';
  const noGateway = { cards: [{ ...card, ipv4Gateway: undefined }], nameServers: [] };
  const noAddress = { cards: [{ ...card, ipv4: undefined }], nameServers: [] };
  const cases: readonly [input: Partial<GuestInput>, expected: string][] = [
    [{}, ''],
    [{ network: ipv4Only, env: ['A=b'], hostname: 'web' }, addresses],
    [{ network: bothFamilies }, `${addresses} --ipv6=fd00:88::2/64 --ipv6-gateway=fd00:88::1`],
    [{ network: noGateway }, '--ipv4=10.88.0.2/16'],
    [{ network: noAddress }, ''],
    [
      { network: ipv4Only, cmdline: '--solo5:quiet', args: ['-v', 'a b'] },
      `--solo5:quiet ${addresses} -v a\\ b`,
    ],
  ];
  for (const [input, expected] of cases) t.equal(line(input), expected);
});

t.test('mirage.commandLine() leaves the addresses to whoever writes one', async (t) => {
  for (const word of [
    '--ipv4=10.0.0.9/24',
    '--ipv4',
    '--management-ipv4=10.0.0.9/24',
    '--ipv6-gateway=fd00::1',
  ]) {
    t.equal(line({ network: ipv4Only, args: [word] }), word);
    t.equal(line({ network: ipv4Only, cmdline: word }), word);
  }
  for (const word of ['--ipv4-only=true', 'ipv4=', '--ipv5='])
    t.match(line({ network: ipv4Only, args: [word] }), '--ipv4=10.88.0.2/16', word);
});

t.test('mirage.commandLine() refuses a second card, a second disk and an empty argument', async (t) => {
  const disk = (index: number): GuestVolume => ({ kind: 'disk', index, path: '/d', readOnly: false });
  const refused = (what: string) => ({
    code: 'GUEST_UNSUPPORTED',
    message: `${what} cannot be given to a guest of type "mirage"`,
  });
  t.throws(() => line({ network: threeCards }), refused('3 network cards'));
  t.throws(() => line({ volumes: [disk(1)] }), refused('2 disks'));
  t.equal(line({ volumes: [disk(0)] }), '');
  t.throws(() => line({ args: ['a', ''] }), refused('argument ""'));
});

t.test('mirage.commandLine() keeps to the size of the buffer of Solo5', async (t) => {
  t.equal(line({ args: ['x'.repeat(8191)] }).length, 8191);
  t.throws(() => line({ args: ['x'.repeat(8192)] }), {
    code: 'GUEST_UNSUPPORTED',
    message: 'the command line is 8192 bytes long, and a guest of type "mirage" takes at most 8191',
  });
});

t.test('the unikernel of this test reads words as Solo5 and Parse_argv do', async (t) => {
  const cases: readonly [line: string, words: readonly string[] | undefined][] = [
    ['k', []],
    ['k foo  bar baz', ['foo', 'bar', 'baz']],
    [String.raw`k f\ oo b\"r "ba z"x`, ['f oo', 'b"r', 'ba zx']],
    ['k  \t--solo5:quiet --solo5:debug a --solo5:warn', ['a', '--solo5:warn']],
    ['k --solo5:quietly ""', ['--solo5:quietly']],
    ['k "a', undefined],
    ['k a\\', undefined],
  ];
  for (const [line, words] of cases) t.strictSame(mirageSees(line), words, line);
});

t.test('what mirage.commandLine() accepts is what the program gets', async (t) => {
  const trips = { guest: mirage, hasArgs: true, hasEnv: false, isHopelessArg: (arg: string) => arg === '' };
  checkRoundTrips(t, 3000, {
    ...trips,
    read: (line) => ({ args: mirageSees(asLoaded(line)) ?? [], env: [] }),
  });
  checkRoundTrips(t, 1000, {
    ...trips,
    input: { network: ipv4Only },
    read: (line) => ({ args: (mirageSees(asLoaded(line)) ?? []).slice(2), env: [] }),
  });
  for (const args of [['--solo5:quiet'], ['\t'], ['\v--solo5:debug']])
    t.strictSame(mirageSees(asLoaded(line({ args }))), args);
});
