import t from 'tap';
import { networkChanges } from '../../../src/unikernel/network/changes.ts';
import { noNetwork, tapNetwork, twoTaps, userNetwork } from '../support/plans.ts';

const dev = (...names: readonly string[]) =>
  [
    'Inter-|   Receive                                                |  Transmit',
    ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets',
    ...names.map(
      (name) => `${name.padStart(6)}: 1240      16    0    0    0     0          0         0     1240`,
    ),
    '',
  ].join('\n');
const route = (...names: readonly string[]) =>
  [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT     ',
    ...names.map((name) => `${name}\t0000580A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0       `),
    '',
  ].join('\n');
const ifInet6 = (scope: string, name: string) =>
  `fd000000000000000000000000000002 02 40 ${scope} 80     ${name}\n`;

t.test('networkChanges() says what the guest has no card for, and which card leads nowhere', async (t) => {
  const usual = { dev: dev('lo', 'eth0', 'uctap0'), route: route('eth0', 'eth0'), ifInet6: '' };
  const attached = ['eth1 attached since the start, for the guest only after a restart'];
  t.strictSame(networkChanges(tapNetwork, usual), []);
  t.strictSame(networkChanges(tapNetwork, { ...usual, dev: dev('lo', 'sit0', 'eth0', 'uctap0') }), []);
  const more = dev('lo', 'eth0', 'uctap0', 'eth1');
  t.strictSame(networkChanges(tapNetwork, { ...usual, dev: more, route: route('eth0', 'eth1') }), attached);
  t.strictSame(networkChanges(tapNetwork, { ...usual, ifInet6: ifInet6('00', 'eth1') }), attached);
  t.strictSame(networkChanges(tapNetwork, { ...usual, ifInet6: ifInet6('20', 'eth1') }), []);
  t.strictSame(
    networkChanges({ ...tapNetwork, leftOut: ['eth1'] }, { ...usual, dev: more, route: route('eth1') }),
    [],
    'what the guest cannot have was said at the start',
  );
  t.strictSame(networkChanges(twoTaps, { ...usual, dev: dev('lo', 'eth1', 'uctap0', 'uctap1') }), [
    'eth0 detached since the start',
  ]);
  t.strictSame(networkChanges(twoTaps, { dev: dev('lo', 'uctap0'), route: route('eth2'), ifInet6: '' }), [
    'eth2 attached since the start, for the guest only after a restart',
    'eth0, eth1 detached since the start',
  ]);
  for (const plan of [noNetwork, userNetwork])
    t.strictSame(networkChanges(plan, { dev: '', route: route('eth5'), ifInet6: '' }), []);
});
