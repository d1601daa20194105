import t from 'tap';
import type { HealthProbe } from '../../src/unikernel/health-probe.ts';
import { guestAddress, guestAddresses } from '../../src/unikernel/network/plan.ts';
import type { NetworkCard, NetworkPlan } from '../../src/unikernel/network/types.ts';
import { planProbe } from '../../src/unikernel/probe-order.ts';
import { noNetwork, passtNetwork } from './support/plans.ts';

const tcp: HealthProbe = { kind: 'tcp', port: 80, timeoutMs: 2000 };
const http: HealthProbe = { kind: 'http', port: 80, path: '/health', timeoutMs: 2000 };

const card: NetworkCard = {
  mac: '02:00:00:00:00:01',
  ipv4: { address: '10.88.0.2', prefixLength: 16 },
  ipv4Gateway: '10.88.0.1',
  ipv6: { address: 'fd00::2', prefixLength: 64 },
  ipv6Gateway: undefined,
  moreAddresses: [],
  routes: [],
  mtu: undefined,
};
const tap = (...cards: readonly NetworkCard[]): NetworkPlan => ({
  kind: 'tap',
  guest: { cards, nameServers: [] },
  taps: [],
  leftOut: [],
  notes: [],
});
const user: NetworkPlan = {
  kind: 'user',
  guest: { cards: [card], nameServers: [] },
  ports: [
    { host: 53, guest: 80, protocol: 'udp' },
    { host: 8080, guest: 80, protocol: 'tcp' },
  ],
  subnet: '10.0.2.0/24',
  ipv6Subnet: undefined,
  notes: [],
};
const init = { pid: 7, startTime: '99' };
const plan = (probe: HealthProbe, network: NetworkPlan, isRootless = false) =>
  planProbe({ probe, network, isRootless, init });
const failing = (message: RegExp) => ({
  order: { kind: 'say', line: message, status: 1 },
  isInside: false,
});

t.test('planProbe() asks a guest behind a tap at its address, from outside', async (t) => {
  const target = { address: '10.88.0.2', port: 80, guestPort: 80, timeoutMs: 2000, init };
  t.strictSame(plan(tcp, tap(card)), {
    order: { kind: 'tcp', ...target, behind: undefined },
    isInside: false,
  });
  t.strictSame(plan(http, tap(card)).order, { kind: 'http', ...target, path: '/health' });
  t.match(plan(tcp, tap({ ...card, ipv4: undefined })).order, { address: 'fd00::2' });
  const bare = { ...card, ipv4: undefined, ipv6: undefined };
  t.match(plan(tcp, tap(bare, card)).order, { address: '10.88.0.2' });
});

t.test('planProbe() asks a guest behind the user stack at its outer port, from inside', async (t) => {
  const target = { address: '127.0.0.1', port: 8080, guestPort: 80, timeoutMs: 2000, init };
  t.strictSame(plan(tcp, user), {
    order: { kind: 'tcp', ...target, behind: 'user' },
    isInside: true,
  });
  t.strictSame(plan(http, user).order, { kind: 'http', ...target, path: '/health' });
});

t.test('planProbe() asks a guest behind passt as one behind the user stack', async (t) => {
  t.match(plan(tcp, passtNetwork), {
    order: { kind: 'tcp', address: '127.0.0.1', port: 8080, guestPort: 80, behind: 'passt' },
    isInside: true,
  });
});

t.test('planProbe() has a guest that nobody can ask be unhealthy, and says why', async (t) => {
  t.match(plan(tcp, noNetwork), failing(/^ucrun-probe: the guest has no network$/));
  t.match(plan({ ...tcp, port: 81 }, user), failing(/port 81\/tcp is not one of those in PORT/));
  t.match(plan({ ...tcp, port: 8080 }, user), failing(/port 8080\/tcp/), 'the outer port is not the guest’s');
  t.match(plan(tcp, tap()), failing(/no address/));
  t.match(plan(tcp, tap(card), true), failing(/rootless/));
});

t.test('guestAddress() is the first that the guest has', async (t) => {
  t.equal(guestAddress(undefined), undefined, 'before start');
  t.equal(guestAddress(noNetwork), undefined);
  t.equal(guestAddress(user), '10.88.0.2');
  t.equal(guestAddress(tap({ ...card, ipv4: undefined })), 'fd00::2');
  t.equal(guestAddress(tap()), undefined);
});

t.test('guestAddresses() are those of all cards', async (t) => {
  const more = { ...card, moreAddresses: [{ address: '10.88.0.9', prefixLength: 16 }] };
  const bare = { ...card, ipv4: undefined, ipv6: undefined };
  t.strictSame(guestAddresses(tap(more, bare, card)), [
    '10.88.0.2',
    'fd00::2',
    '10.88.0.9',
    '10.88.0.2',
    'fd00::2',
  ]);
  t.strictSame(guestAddresses(noNetwork), []);
});
