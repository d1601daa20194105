import t from 'tap';
import { linkNames } from '../../src/host/bridge-ports.ts';
import { machineAddresses, requireOwnAddresses, tapPrefix } from '../../src/machine/network.ts';
import type { MachineNetwork, MachineRecord } from '../../src/machine/record.ts';
import type { BridgeCard } from '../../src/unikernel/network/bridge-plan.ts';
import { record, settings } from './support/records.ts';

const card: BridgeCard = {
  bridge: 'br0',
  mac: '02:00:00:00:00:01',
  ipv4: { address: '192.0.2.2', prefixLength: 24 },
  ipv4Gateway: undefined,
  ipv6: { address: 'fd00::2', prefixLength: 64 },
  ipv6Gateway: undefined,
};
const on = (...cards: readonly BridgeCard[]): MachineNetwork => ({
  kind: 'bridge',
  cards,
  nameServers: undefined,
});
const other = { ...card, mac: '02:00:00:00:00:02', ipv4: undefined, ipv6: undefined };

t.test(
  'tapPrefix() leaves room for a digit in the name of an interface, and for other machines',
  async (t) => {
    t.match(tapPrefix('a'.repeat(64)), /^ucm[0-9a-f]{8}-$/);
    t.not(tapPrefix('web'), tapPrefix('web2'));
  },
);

t.test('linkNames() has every interface', async (t) => {
  t.ok(linkNames().includes('lo'), linkNames().join(' '));
});

t.test('machineAddresses() are those that others reach', async (t) => {
  t.strictSame(machineAddresses(on(card, other)), ['192.0.2.2', 'fd00::2']);
  for (const kind of ['user', 'none'] as const) t.strictSame(machineAddresses({ kind }), []);
});

t.test('requireOwnAddresses() finds who has one already', async (t) => {
  const known: MachineRecord = { ...record, name: 'db', settings: { ...settings, network: on(card) } };
  const clash = (changed: Partial<BridgeCard>) => () =>
    requireOwnAddresses(on({ ...other, ...changed }), [record, known]);
  t.doesNotThrow(clash({}));
  t.doesNotThrow(
    clash({ bridge: 'br1', ipv4: card.ipv4, mac: card.mac }),
    'another bridge is another network',
  );
  t.doesNotThrow(() => requireOwnAddresses({ kind: 'user' }, [known]));
  for (const changed of [
    { mac: card.mac },
    { ipv4: { address: '192.0.2.2', prefixLength: 16 } },
    { ipv6: card.ipv6 },
  ])
    t.throws(clash(changed), {
      code: 'NETWORK_UNSUPPORTED',
      message: /machine "db" has \S+ on bridge "br0" already/,
    });
});
