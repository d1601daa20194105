import t from 'tap';
import type { GuestInput } from '../../../src/unikernel/guests/guest.ts';
import { hermit } from '../../../src/unikernel/guests/hermit.ts';
import { sandboxPaths } from '../../../src/unikernel/sandbox-paths.ts';
import { bothFamilies, ipv4Only, nothing, threeCards } from '../support/guest-inputs.ts';
import { hermitSees } from '../support/hermit-parser.ts';
import { card } from '../support/plans.ts';
import { checkRoundTrips } from '../support/round-trips.ts';

const line = (input: Partial<GuestInput>) => hermit.commandLine({ ...nothing, ...input });
const asLoaded = (text: string) => `${sandboxPaths.kernel} ${text}`;
const address = '-ip 10.88.0.2 -mask 255.255.0.0 -gateway 10.88.0.1';
const servers = 'env=HERMIT_DNS1=10.88.0.1 env=HERMIT_DNS2=1.1.1.1';

t.test('hermit.commandLine() has address, name servers, environment and arguments', async (t) => {
  const noGateway = { cards: [{ ...card, ipv4Gateway: undefined }], nameServers: [] };
  const cases: readonly [input: Partial<GuestInput>, expected: string][] = [
    [{}, ''],
    [{ network: ipv4Only }, `${address} ${servers}`],
    [{ network: bothFamilies }, `${address} ${servers}`],
    [{ network: noGateway }, '-ip 10.88.0.2 -mask 255.255.0.0'],
    [{ env: ['A=b', 'C=d e'], args: ['x', 'y z'] }, "env=A=b env='C=d e' -- x 'y z'"],
    [{ cmdline: '-freq 2000', args: ['--'] }, '-freq 2000 -- --'],
  ];
  for (const [input, expected] of cases) t.equal(line(input), expected);
});

t.test('hermit.commandLine() leaves out the environment that an old kernel would panic at', async (t) => {
  const input = { network: ipv4Only, env: ['A=b'], args: ['x'] };
  for (const version of ['0.9.1', '0.6', 'v0.3.54'])
    t.equal(line({ ...input, version }), `${address} -- x`, version);
  for (const version of ['0.10.0', '0.13.2', '1.0', undefined])
    t.equal(line({ ...input, version }), `${address} ${servers} env=A=b -- x`, version ?? 'no version');
});

t.test('hermit.commandLine() lets the user choose what ucrun would', async (t) => {
  const seen = hermitSees(
    asLoaded(line({ network: ipv4Only, env: ['HERMIT_DNS1=9.9.9.9', 'HERMIT_IP=10.0.0.9'] })),
  );
  t.equal(seen.env.get('HERMIT_DNS1'), '9.9.9.9');
  t.equal(seen.env.get('HERMIT_IP'), '10.0.0.9');
  t.strictSame(seen.unknown, []);
});

t.test('hermit.commandLine() refuses a second card, names that are none, and what is too long', async (t) => {
  t.throws(() => line({ network: threeCards }), {
    code: 'GUEST_UNSUPPORTED',
    message: '3 network cards cannot be given to a guest of type "hermit"',
  });
  for (const entry of ['NAKED', '=x', 'A=\0'])
    t.throws(() => line({ env: [entry] }), { code: 'GUEST_UNSUPPORTED' });
  t.throws(() => line({ args: ['\0'] }), { code: 'GUEST_UNSUPPORTED', message: /^argument / });
  t.throws(() => line({ args: ['x'.repeat(4093)] }), {
    code: 'GUEST_UNSUPPORTED',
    message: 'the command line is 4096 bytes long, and a guest of type "hermit" takes at most 4095',
  });
});

t.test('the kernel of this test reads words as Hermit does', async (t) => {
  t.strictSame(
    hermitSees(String.raw`/k -ip 1.2.3.4 env=A=b=c x "env=D=\"e\n" env=F -- 'g h'i\ j "" # comment`),
    {
      image: '/k',
      args: ['g hi j', ''],
      env: new Map([
        ['HERMIT_IP', '1.2.3.4'],
        ['A', 'b=c'],
        ['D', '"e\\n'],
      ]),
      unknown: ['x', 'env=F'],
    },
  );
});

t.test('what hermit.commandLine() accepts is what the program gets', async (t) => {
  checkRoundTrips(t, 5000, {
    guest: hermit,
    read: (line) => {
      const { image, args, env, unknown } = hermitSees(asLoaded(line));
      if (image !== sandboxPaths.kernel || unknown.length > 0) throw new Error(line);
      return { args, env: [...env].map(([name, value]) => `${name}=${value}`) };
    },
    hasArgs: true,
    hasEnv: true,
    isHopelessArg: () => false,
  });
});
