import t from 'tap';
import type { GuestInput } from '../../../src/unikernel/guests/guest.ts';
import { mewz } from '../../../src/unikernel/guests/mewz.ts';
import { bothFamilies, ipv4Only, nothing, threeCards } from '../support/guest-inputs.ts';
import { card } from '../support/plans.ts';

const line = (input: Partial<GuestInput>) => mewz.commandLine({ ...nothing, ...input });

t.test('mewz.commandLine() has the address, and always a gateway with it', async (t) => {
  const noGateway = { cards: [{ ...card, ipv4Gateway: undefined }], nameServers: [] };
  const noAddress = { cards: [{ ...card, ipv4: undefined }], nameServers: [] };
  const cases: readonly [input: Partial<GuestInput>, expected: string][] = [
    [{}, ''],
    [{ network: ipv4Only, env: ['A=b'], hostname: 'web' }, 'ip=10.88.0.2/16 gateway=10.88.0.1'],
    [{ network: bothFamilies }, 'ip=10.88.0.2/16 gateway=10.88.0.1'],
    [{ network: noGateway }, 'ip=10.88.0.2/16 gateway=0.0.0.0'],
    [{ network: noAddress }, ''],
    [{ network: ipv4Only, cmdline: 'x=y' }, 'ip=10.88.0.2/16 gateway=10.88.0.1 x=y'],
  ];
  for (const [input, expected] of cases) t.equal(line(input), expected);
});

t.test('mewz.commandLine() refuses arguments, a second card, and what is too long', async (t) => {
  const refused = (what: string) => ({
    code: 'GUEST_UNSUPPORTED',
    message: `${what} cannot be given to a guest of type "mewz"`,
  });
  t.throws(() => line({ args: ['serve', 'x'] }), refused('argument "serve"'));
  t.throws(() => line({ network: threeCards }), refused('3 network cards'));
  t.throws(() => line({ cmdline: 'x'.repeat(4096) }), {
    code: 'GUEST_UNSUPPORTED',
    message: 'the command line is 4096 bytes long, and a guest of type "mewz" takes at most 4095',
  });
});
