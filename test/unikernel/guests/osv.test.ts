import t from 'tap';
import type { GuestInput } from '../../../src/unikernel/guests/guest.ts';
import { osv } from '../../../src/unikernel/guests/osv.ts';
import { bothFamilies, ipv4Only, nothing, threeCards } from '../support/guest-inputs.ts';
import { osvSees } from '../support/osv-parser.ts';
import { checkRoundTrips } from '../support/round-trips.ts';

const line = (input: Partial<GuestInput>) => osv.commandLine({ ...nothing, ...input });

t.test('osv.commandLine() has addresses, environment, directory and command', async (t) => {
  const one = '--ip=eth0,10.88.0.2,255.255.0.0 --defaultgw=10.88.0.1';
  const cases: readonly [input: Partial<GuestInput>, expected: string][] = [
    [{}, ''],
    [{ network: ipv4Only, args: ['/hello'] }, `${one} --nameserver=10.88.0.1 /hello`],
    [{ network: bothFamilies }, `${one} --nameserver=10.88.0.1`],
    [
      { network: threeCards },
      '--ip=eth0,10.88.0.2,255.255.0.0 --ip=eth2,10.99.0.7,255.255.255.0 --defaultgw=10.88.0.1',
    ],
    [
      { env: ['A=b c'], workingDirectory: '/a b', args: ['/x', 'y z'] },
      '--env=A=b\\ c --cwd=/a\\ b /x "y z"',
    ],
    [{ cmdline: '--verbose /hello.so', args: ['-v'] }, '--verbose /hello.so "-v"'],
  ];
  for (const [input, expected] of cases) t.equal(line(input), expected);
});

t.test('osv.commandLine() refuses what has no form', async (t) => {
  for (const argument of ['$HOME', 'a$', 'é', '\0'])
    t.throws(() => line({ args: ['/x', argument] }), {
      code: 'GUEST_UNSUPPORTED',
      message: `argument ${JSON.stringify(argument)} cannot be given to a guest of type "osv"`,
      hint: /dollar sign/,
    });
  for (const entry of ['NAKED', '=x', 'A=\0'])
    t.throws(() => line({ env: [entry] }), { code: 'GUEST_UNSUPPORTED' });
  t.throws(() => line({ workingDirectory: '/\0' }), { code: 'GUEST_UNSUPPORTED' });
  t.throws(() => line({ args: ['x'.repeat(4096)] }), {
    code: 'GUEST_UNSUPPORTED',
    message: 'the command line is 4096 bytes long, and a guest of type "osv" takes at most 4095',
  });
});

t.test('the kernel of this test reads words as OSv does', async (t) => {
  const seen = osvSees(String.raw`--verbose  --env=A=a\ b\\ --env=B=c /x "d \"e\n" f\'g "" h$A $Z "--i"`);
  t.strictSame(
    [...seen.options],
    [
      ['verbose', []],
      ['env', ['A=a b\\', 'B=c']],
    ],
  );
  t.strictSame(seen.args, ['/x', 'd "e\n', "f'g", '', 'ha b\\', '', '--i']);
  t.throws(() => osvSees('/x; /y'));
  t.strictSame(osvSees('/x "a').args, ['/x', '"a'], 'a quote that nothing closes is a letter');
});

t.test('what osv.commandLine() accepts is what the program gets', async (t) => {
  checkRoundTrips(t, 5000, {
    guest: osv,
    read: (line) => {
      const { options, args } = osvSees(line);
      return { args, env: options.get('env') ?? [] };
    },
    hasArgs: true,
    hasEnv: true,
    isHopelessArg: (arg) => /[$\x80-\uffff]/.test(arg),
  });
});
