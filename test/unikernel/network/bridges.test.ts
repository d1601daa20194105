import t from 'tap';
import { bridgeBatch, removalBatch } from '../../../src/unikernel/network/bridge-batches.ts';
import {
  type BridgeCard,
  type BridgeRequest,
  planBridges,
} from '../../../src/unikernel/network/bridge-plan.ts';
import { parseBridges } from '../../../src/unikernel/network/bridges.ts';
import { type Neighbour, parseNeighbours } from '../../../src/unikernel/network/neighbours.ts';
import { qemuArgs } from '../../../src/unikernel/qemu-args.ts';
import { fixture } from '../support/fixtures.ts';
import { microvm } from '../support/plans.ts';

const bridges = parseBridges(fixture('bridges.json'));

t.test('parseBridges() reads what ip(8) prints', async (t) => {
  t.match(bridges, [
    {
      name: 'br0',
      mtu: 1500,
      isUp: true,
      addresses: [
        { address: '192.0.2.1', prefixLength: 24 },
        { address: 'fd00::1', prefixLength: 64 },
      ],
    },
    { name: 'down0', mtu: 1400, isUp: false, addresses: [] },
  ]);
  t.strictSame(parseBridges(''), []);
  t.strictSame(parseBridges('[{},{}]'), [], 'what some versions print of other links');
  t.throws(() => parseBridges('Object "bridge" is unknown'), { code: 'HOST_FAILED' });
});

t.test('parseNeighbours() reads who has answered', async (t) => {
  const device = 'br0';
  const mac = '02:00:00:00:00:77';
  t.strictSame(parseNeighbours(fixture('neighbours.json')).toSorted(byAddress), [
    { address: '192.0.2.9', mac, device },
    { address: 'fd00::77', mac, device },
  ]);
  t.strictSame(parseNeighbours(''), []);
  t.throws(() => parseNeighbours('?'), { code: 'HOST_FAILED' });
});

const byAddress = (a: Neighbour, b: Neighbour) => a.address.localeCompare(b.address, 'en');

const card: BridgeCard = {
  bridge: 'br0',
  mac: '02:00:00:00:00:01',
  ipv4: { address: '192.0.2.2', prefixLength: 24 },
  ipv4Gateway: '192.0.2.1',
  ipv6: undefined,
  ipv6Gateway: undefined,
};
const asking: BridgeCard = { ...card, mac: 'fe:00:00:00:00:02', ipv4: undefined, ipv4Gateway: undefined };
const request: BridgeRequest = {
  cards: [card],
  taps: ['ucm00000000-0', 'ucm00000000-1'],
  bridges,
  nameServers: ['192.0.2.53'],
  guest: 'raw',
  abilities: { cards: 8, ipv6: true, multiqueue: false, asksForAddress: true },
  cpus: 4,
};

t.test('planBridges() has a tap for each card, and tells the guest what it was told', async (t) => {
  const plan = planBridges({ ...request, cards: [card, asking] });
  t.match(plan, {
    kind: 'tap',
    taps: [
      { link: 'br0', tap: 'ucm00000000-0', mtu: 1500, queues: 1, vhost: false },
      { link: 'br0', tap: 'ucm00000000-1' },
    ],
    guest: {
      nameServers: ['192.0.2.53'],
      cards: [{ mac: card.mac, ipv4: card.ipv4, mtu: 1500 }, { isAutomatic: true }],
    },
  });
  t.notOk(plan.guest.cards[0]?.isAutomatic);
  t.strictSame(planBridges({ ...request, cards: [asking] }).guest.nameServers, [], 'who asks is told all');
  const queues = { ...request, abilities: { ...request.abilities, multiqueue: true } };
  t.equal(planBridges(queues).taps[0]?.queues, 4);
});

t.test('QEMU has a card for each of them', async (t) => {
  const args = qemuArgs(microvm, planBridges({ ...request, cards: [card, asking] }), '');
  for (const word of [
    'tap,id=net0,ifname=ucm00000000-0,script=no,downscript=no',
    'virtio-net-device,netdev=net0,mac=02:00:00:00:00:01,host_mtu=1500',
    'tap,id=net1,ifname=ucm00000000-1,script=no,downscript=no',
    'virtio-net-device,netdev=net1,mac=fe:00:00:00:00:02,host_mtu=1500',
  ])
    t.ok(args.includes(word), word);
});

t.test('planBridges() refuses what cannot be', async (t) => {
  const cases: readonly (readonly [Partial<BridgeRequest>, RegExp, RegExp])[] = [
    [{ cards: [{ ...card, bridge: 'br9' }] }, /the host has no bridge "br9"/, /its bridges are: br0, down0/],
    [{ bridges: [] }, /the host has no bridge "br0"/, /ip link add br0 type bridge/],
    [{ cards: [{ ...card, bridge: 'down0' }] }, /the bridge "down0" is down/, /ip link set down0 up/],
    [
      { cards: [{ ...card, ipv4: { address: '192.0.2.1', prefixLength: 24 } }] },
      /192.0.2.1 is the bridge's own address/,
      /another/,
    ],
    [
      { cards: [card, asking], abilities: { ...request.abilities, cards: 1 } },
      /has one network card, not 2/,
      /leave out/,
    ],
    [
      {
        cards: [{ ...card, ipv6: { address: 'fd00::2', prefixLength: 64 } }],
        abilities: { ...request.abilities, ipv6: false },
      },
      /has no IPv6, and cannot be fd00::2/,
      /IPv4/,
    ],
    [
      { cards: [asking], guest: 'mewz', abilities: { ...request.abilities, asksForAddress: false } },
      /a guest of type "mewz" does not ask for an address/,
      /--network bridge:br0,ip=ADDRESS\/LENGTH/,
    ],
  ];
  for (const [changed, message, hint] of cases)
    t.throws(() => planBridges({ ...request, ...changed }), { code: 'NETWORK_UNSUPPORTED', message, hint });
});

t.test('bridgeBatch() and removalBatch() are lines for ip(8)', async (t) => {
  const plan = planBridges({ ...request, cards: [card, asking] });
  t.equal(
    bridgeBatch(plan, 61184, 'ucrun:web'),
    [
      'tuntap add dev ucm00000000-0 mode tap user 61184 vnet_hdr',
      'link set dev ucm00000000-0 address fe:00:00:00:00:01 mtu 1500 alias ucrun:web addrgenmode none',
      'link set dev ucm00000000-0 master br0 up',
      'tuntap add dev ucm00000000-1 mode tap user 61184 vnet_hdr',
      'link set dev ucm00000000-1 address fa:00:00:00:00:02 mtu 1500 alias ucrun:web addrgenmode none',
      'link set dev ucm00000000-1 master br0 up',
      '',
    ].join('\n'),
  );
  t.equal(removalBatch(request.taps), 'link delete dev ucm00000000-0\nlink delete dev ucm00000000-1\n');
});
