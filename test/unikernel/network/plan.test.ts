import t from 'tap';
import {
  type Link,
  type NamespaceFacts,
  parseNamespaceFacts,
  type Route,
} from '../../../src/unikernel/network/facts.ts';
import { type NetworkRequest, planNetwork } from '../../../src/unikernel/network/plan.ts';
import type { NetworkMode } from '../../../src/unikernel/network/types.ts';
import { fixture } from '../support/fixtures.ts';

const captured = (name: string) => parseNamespaceFacts(fixture(`ip/${name}.txt`), '');
const bridge = captured('podman-bridge');
const slirp = captured('podman-slirp');
const none = captured('podman-none');
const ether = (name: string, change: Partial<Link> = {}): Link => ({
  name,
  mac: '02:00:00:00:00:01',
  mtu: 1400,
  isUp: true,
  hasArp: true,
  ipv4: [],
  ipv6: [],
  ...change,
});
/** The namespace of a pod in which another unikernel has its tap. */
const taken: NamespaceFacts = { ...bridge, links: [...bridge.links, ether('uctap0')] };

const ports = [{ host: 8080, guest: 8080, protocol: 'tcp' }] as const;
const usual: NetworkRequest = {
  mode: 'auto',
  facts: bridge,
  isShared: false,
  isRootless: false,
  hasTun: true,
  hasIpv6: false,
  hasVhost: false,
  ports,
  isToldAddress: true,
  nameServers: ['10.88.0.1'],
  guest: 'raw',
  abilities: { cards: 8, ipv6: true, multiqueue: false, asksForAddress: true },
  cpus: 4,
};

t.test('planNetwork() makes a tap that is the container to its network', async (t) => {
  t.strictSame(planNetwork(usual), {
    kind: 'tap',
    guest: {
      cards: [
        {
          mac: '72:d1:97:ae:69:c5',
          ipv4: { address: '10.88.0.2', prefixLength: 16 },
          ipv4Gateway: '10.88.0.1',
          ipv6: undefined,
          ipv6Gateway: undefined,
          moreAddresses: [],
          routes: [],
          mtu: 1500,
        },
      ],
      nameServers: ['10.88.0.1'],
    },
    taps: [{ link: 'eth0', tap: 'uctap0', mtu: 1500, queues: 1, vhost: false }],
    leftOut: [],
    notes: [],
  });
  t.match(planNetwork({ ...usual, facts: slirp }), { kind: 'tap', taps: [{ link: 'tap0', mtu: 65520 }] });
  const noRoute = { ...bridge, routes: [] };
  t.match(planNetwork({ ...usual, facts: noRoute }), { guest: { cards: [{ ipv4Gateway: undefined }] } });
});

const v4 = { address: '10.0.0.2', prefixLength: 24 };
const v6 = { address: 'fd00::2', prefixLength: 64 };
const route = (device: string, change: Partial<Route> = {}): Route => ({
  device,
  destination: '0.0.0.0',
  prefixLength: 0,
  gateway: '10.0.0.1',
  metric: 0,
  ...change,
});
const planOf = (
  links: readonly Link[],
  routes: readonly Route[] = [],
  change: Partial<NetworkRequest> = {},
) => planNetwork({ ...usual, ...change, facts: { links, routes, hasRules: false } });

t.test('planNetwork() has a card for each interface, in their order', async (t) => {
  t.match(planNetwork({ ...usual, facts: captured('podman-two-networks') }), {
    taps: [
      { link: 'eth0', tap: 'uctap0' },
      { link: 'eth1', tap: 'uctap1' },
    ],
    guest: {
      cards: [
        { mac: '3e:c5:ee:2a:84:aa', ipv4Gateway: '10.89.6.1' },
        { mac: 'f2:3d:f1:a6:1f:57', ipv4Gateway: '10.89.5.1' },
      ],
    },
  });
  t.match(planOf(['eth10', 'net1', 'eth1', 'eth2', 'eth0'].map((name) => ether(name))), {
    taps: ['eth0', 'eth1', 'eth2', 'eth10', 'net1'].map((link, index) => ({ link, tap: `uctap${index}` })),
  });
  const eight = Array.from({ length: 8 }, (_, index) => ether(`eth${index}`));
  const plan = planOf(eight);
  t.match(plan, { kind: 'tap', notes: [] });
  t.equal(plan.kind === 'tap' && plan.taps.length, 8);
  t.equal(plan.kind === 'tap' && plan.guest.cards.length, 8);
  t.throws(() => planOf([...eight, ether('eth8')]), {
    code: 'NETWORK_UNSUPPORTED',
    message: 'the container has 9 network interfaces, and a guest can have 8',
    hint: /fewer networks/,
  });
  t.match(planOf([ether('down', { isUp: false }), ether('eth0')]), {
    taps: [{ link: 'eth0', tap: 'uctap0' }],
  });
  t.strictSame(planOf([ether('down', { isUp: false })]), { kind: 'none', notes: [] });
});

t.test('planNetwork() gives a guest as many cards as it can have, and says so', async (t) => {
  const three = ['eth0', 'eth1', 'eth2'].map((name) => ether(name, { ipv4: [v4] }));
  const abilities = { ...usual.abilities, cards: 1 };
  t.match(planOf(three, [], { guest: 'mirage', abilities }), {
    taps: [{ link: 'eth0' }],
    leftOut: ['eth1', 'eth2'],
    guest: { cards: [{}] },
    notes: ['eth1, eth2 left out, as a guest of type "mirage" has one card'],
  });
  t.match(planOf(three, [], { guest: 'x', abilities: { ...abilities, cards: 2 } }).notes, [
    'eth2 left out, as a guest of type "x" has 2 cards',
  ]);
});

t.test('planNetwork() tells the guest all addresses, the first of each family apart', async (t) => {
  const other4 = { address: '10.0.0.3', prefixLength: 24 };
  const other6 = { address: 'fd00::3', prefixLength: 64 };
  const routes = [route('eth0'), route('eth0', { destination: '::', gateway: 'fd00::1', metric: 1024 })];
  const plan = planOf([ether('eth0', { ipv4: [v4, other4], ipv6: [v6, other6] })], routes);
  t.match(plan, {
    guest: {
      cards: [
        {
          ipv4: v4,
          ipv4Gateway: '10.0.0.1',
          ipv6: v6,
          ipv6Gateway: 'fd00::1',
          moreAddresses: [other4, other6],
          routes: [],
          mtu: 1400,
        },
      ],
    },
  });
  t.match(planOf([ether('eth0', { ipv6: [v6] })], routes), {
    guest: { cards: [{ ipv4: undefined, ipv6: v6, ipv6Gateway: 'fd00::1' }] },
  });
  t.match(planOf([ether('eth0')]), { kind: 'tap', guest: { cards: [{ ipv4: undefined, ipv6: undefined }] } });
});

t.test('planNetwork() tells routes that do not come with the addresses', async (t) => {
  const link = ether('eth0', { ipv4: [v4], ipv6: [v6] });
  const own = [
    route('eth0', { destination: '10.0.0.0', prefixLength: 24, gateway: undefined }),
    route('eth0', { destination: 'fd00::', prefixLength: 64, gateway: undefined, metric: 256 }),
  ];
  const static4 = route('eth0', { destination: '10.1.0.0', prefixLength: 16, gateway: '10.0.0.9' });
  const onLink = route('eth0', { destination: '169.254.1.1', prefixLength: 32, gateway: undefined });
  const routes = [...own, static4, onLink, route('eth1', { destination: '10.7.0.0', prefixLength: 16 })];
  const { device: _first, ...told } = static4;
  const { device: _second, ...direct } = onLink;
  const plan = planOf([link], [...routes, route('eth0', { gateway: '169.254.1.1' })]);
  if (plan.kind !== 'tap') throw new Error(plan.kind);
  t.strictSame(plan.guest.cards[0]?.routes, [told, direct]);
  t.equal(plan.guest.cards[0]?.ipv4Gateway, '169.254.1.1', 'a gateway outside of the network');
});

t.test('planNetwork() has the gateways of the lowest metric as such, and the others as routes', async (t) => {
  const links = [ether('eth0', { ipv4: [v4] }), ether('eth1', { ipv4: [{ ...v4, address: '10.0.1.2' }] })];
  const cards = (...routes: readonly Route[]) => {
    const plan = planOf(links, routes);
    if (plan.kind !== 'tap') throw new Error(plan.kind);
    return plan.guest.cards.map(({ ipv4Gateway, routes: others }) => [ipv4Gateway, others.length]);
  };
  const far = { gateway: '10.0.1.1', metric: 100 };
  t.strictSame(cards(route('eth0'), route('eth1', { ...far, metric: 0 })), [
    ['10.0.0.1', 0],
    ['10.0.1.1', 0],
  ]);
  t.strictSame(cards(route('eth0'), route('eth1', far)), [
    ['10.0.0.1', 0],
    [undefined, 1],
  ]);
  t.strictSame(cards(route('eth0', { metric: 200 }), route('eth1', far)), [
    [undefined, 1],
    ['10.0.1.1', 0],
  ]);
  t.strictSame(cards(route('eth0', { metric: 9 }), route('eth0', { metric: 8, gateway: '10.0.0.8' })), [
    ['10.0.0.8', 1],
    [undefined, 0],
  ]);
  t.strictSame(cards(route('eth0', { gateway: undefined })), [
    [undefined, 1],
    [undefined, 0],
  ]);
});

t.test('planNetwork() refuses a network of IPv6 alone for a guest without', async (t) => {
  const abilities = { ...usual.abilities, ipv6: false };
  const ipv6Only = [ether('eth0', { ipv6: [v6] })];
  t.throws(() => planOf(ipv6Only, [], { guest: 'mewz', abilities }), {
    code: 'NETWORK_UNSUPPORTED',
    message: 'the container\'s network has IPv6 alone, and a guest of type "mewz" has no IPv6',
    hint: /IPv4 subnet/,
  });
  t.equal(planOf(ipv6Only).kind, 'tap');
  t.equal(planOf([ether('eth0', { ipv6: [v6], ipv4: [v4] })], [], { abilities }).kind, 'tap');
  t.equal(planOf([ether('eth0')], [], { abilities }).kind, 'tap', 'without an address it asks for one');
});

t.test("planNetwork() uses queues for processors and the host's kernel where it can", async (t) => {
  const abilities = { ...usual.abilities, multiqueue: true };
  const cases: readonly [change: Partial<NetworkRequest>, queues: number, vhost: boolean][] = [
    [{}, 1, false],
    [{ abilities }, 4, false],
    [{ abilities, cpus: 1 }, 1, false],
    [{ abilities, cpus: 64 }, 8, false],
    [{ hasVhost: true }, 1, true],
    [{ hasVhost: true, abilities }, 4, true],
  ];
  for (const [change, queues, vhost] of cases)
    t.match(planNetwork({ ...usual, ...change }), { taps: [{ queues, vhost }] }, JSON.stringify(change));
});

t.test("planNetwork() says that rules are not the guest's", async (t) => {
  t.match(planNetwork({ ...usual, facts: { ...bridge, hasRules: true } }), {
    kind: 'tap',
    notes: [/^routing rules left out/],
  });
});

t.test('an interface whose name every object knows is one like any other', async (t) => {
  const gateway = '10.0.0.1';
  const links = [ether('constructor', { ipv4: [v4] })];
  t.match(planOf(links, [route('constructor')]), { guest: { cards: [{ ipv4Gateway: gateway }] } });
  t.match(planOf(links), { guest: { cards: [{ ipv4Gateway: undefined }] } });
});

t.test("planNetwork() gives QEMU's own addresses behind its own stack, and the ports", async (t) => {
  t.strictSame(planNetwork({ ...usual, mode: 'user' }), {
    kind: 'user',
    guest: {
      cards: [
        {
          mac: '02:75:63:00:00:01',
          ipv4: { address: '10.0.2.15', prefixLength: 24 },
          ipv4Gateway: '10.0.2.2',
          ipv6: undefined,
          ipv6Gateway: undefined,
          moreAddresses: [],
          routes: [],
          mtu: undefined,
        },
      ],
      nameServers: ['10.0.2.3'],
    },
    ports,
    subnet: '10.0.2.0/24',
    ipv6Subnet: undefined,
    notes: [],
  });
});

t.test('planNetwork() gives the user stack a network that the container does not have', async (t) => {
  t.match(planNetwork({ ...usual, facts: slirp, isRootless: true }), {
    guest: {
      cards: [{ ipv4: { address: '10.0.3.15' }, ipv4Gateway: '10.0.3.2' }],
      nameServers: ['10.0.3.3'],
    },
    subnet: '10.0.3.0/24',
  });
});

t.test('planNetwork() gives the user stack IPv6 where the namespace has it', async (t) => {
  const user = (change: Partial<NetworkRequest>) =>
    planNetwork({ ...usual, mode: 'user', hasIpv6: true, ...change });
  t.match(user({ facts: undefined, nameServers: ['1.1.1.1', 'fd00::53'] }), {
    ipv6Subnet: 'fec0::/64',
    guest: {
      cards: [{ ipv6: { address: 'fec0::15', prefixLength: 64 }, ipv6Gateway: 'fec0::2' }],
      nameServers: ['10.0.2.3', 'fec0::3'],
    },
  });
  t.match(user({ nameServers: ['fd00::53'] }), { guest: { nameServers: ['fec0::3'] } });
  t.match(user({ nameServers: ['1.1.1.1'] }), { guest: { nameServers: ['10.0.2.3'] } });
  t.match(user({ nameServers: [] }), { guest: { nameServers: ['10.0.2.3'] } });
  t.match(user({ nameServers: ['fd00::53'], hasIpv6: false }), {
    ipv6Subnet: undefined,
    guest: { cards: [{ ipv6: undefined, ipv6Gateway: undefined }], nameServers: ['10.0.2.3'] },
  });
  const taken = ether('eth0', { ipv6: [{ address: 'fec0::7', prefixLength: 64 }] });
  t.match(user({ facts: { links: [taken], routes: [], hasRules: false } }), {
    ipv6Subnet: 'fec0:0:0:1::/64',
    guest: { cards: [{ ipv6: { address: 'fec0:0:0:1::15' } }] },
  });
});

t.test('planNetwork() decides by mode, namespace, rootless, tun and who else is there', async (t) => {
  const places = { host: undefined, bridge, slirp, none, taken } as const;
  type Place = keyof typeof places;
  /** What each mode gives where nothing stands in the way, rootless, without /dev/net/tun, and among other containers. */
  const table: Readonly<
    Record<
      Place,
      Readonly<Record<NetworkMode, readonly [usual: string, rootless: string, noTun: string, shared: string]>>
    >
  > = {
    host: {
      auto: ['user', 'user', 'user', 'user'],
      tap: ['error', 'error', 'error', 'error'],
      passt: ['error', 'error', 'error', 'error'],
      user: ['user', 'user', 'user', 'user'],
      none: ['none', 'none', 'none', 'none'],
    },
    bridge: {
      auto: ['tap', 'user', 'user', 'user'],
      tap: ['tap', 'tap', 'error', 'tap'],
      passt: ['passt', 'passt', 'passt', 'passt'],
      user: ['user', 'user', 'user', 'user'],
      none: ['none', 'none', 'none', 'none'],
    },
    slirp: {
      auto: ['tap', 'user', 'user', 'user'],
      tap: ['tap', 'tap', 'error', 'tap'],
      passt: ['passt', 'passt', 'passt', 'passt'],
      user: ['user', 'user', 'user', 'user'],
      none: ['none', 'none', 'none', 'none'],
    },
    none: {
      auto: ['none', 'none', 'none', 'none'],
      tap: ['none', 'none', 'none', 'none'],
      passt: ['none', 'none', 'none', 'none'],
      user: ['none', 'none', 'none', 'none'],
      none: ['none', 'none', 'none', 'none'],
    },
    taken: {
      auto: ['user', 'user', 'user', 'user'],
      tap: ['error', 'error', 'error', 'error'],
      passt: ['passt', 'passt', 'passt', 'passt'],
      user: ['user', 'user', 'user', 'user'],
      none: ['none', 'none', 'none', 'none'],
    },
  };
  const hosts = [{}, { isRootless: true }, { hasTun: false }, { isShared: true }];
  for (const [place, modes] of Object.entries(table)) {
    for (const [mode, results] of Object.entries(modes)) {
      for (const [index, expected] of results.entries()) {
        const request = {
          ...usual,
          ...hosts[index],
          mode: mode as NetworkMode,
          facts: places[place as Place],
        };
        const what = `${mode} in ${place} ${JSON.stringify(hosts[index])}`;
        if (expected === 'error') t.throws(() => planNetwork(request), { code: 'NETWORK_UNSUPPORTED' }, what);
        else t.equal(planNetwork(request).kind, expected, what);
      }
    }
  }
});

t.test('planNetwork() says why there can be no tap', async (t) => {
  const cases: readonly [change: Partial<NetworkRequest>, reason: string][] = [
    [{ facts: undefined }, "the container shares the host's network"],
    [{ hasTun: false }, 'the host has no /dev/net/tun'],
    [{ facts: taken }, 'another unikernel in this network namespace has the tap'],
  ];
  for (const [change, reason] of cases) {
    t.throws(
      () => planNetwork({ ...usual, mode: 'tap', ...change }),
      {
        code: 'NETWORK_UNSUPPORTED',
        message: `network mode "tap" is not possible: ${reason}`,
        hint: /"auto" or "user"/,
      },
      reason,
    );
  }
});

t.test('planNetwork() says that on a tap an outer port leads nowhere', async (t) => {
  const mapped = [{ host: 8080, guest: 80, protocol: 'tcp' }] as const;
  t.strictSame(planNetwork({ ...usual, ports: mapped }).notes, [
    'port 8080/tcp leads nowhere, as on a tap the guest is reached at its own, 80/tcp',
  ]);
  t.strictSame(planNetwork({ ...usual, mode: 'user', ports: mapped }).notes, []);
});

t.test('planNetwork() says why a guest has the user stack where one would expect a tap', async (t) => {
  const silent = { links: [ether('eth0', { ipv4: [v4], hasArp: false })], routes: [], hasRules: false };
  const cases: readonly [change: Partial<NetworkRequest>, note: string | undefined][] = [
    [{ mode: 'user', isShared: true }, undefined],
    [{ facts: undefined }, undefined],
    [{ isRootless: true, isShared: true }, undefined],
    [{ isShared: true }, 'other containers are in this network namespace'],
    [{ facts: taken, isShared: true }, 'another unikernel in this network namespace has the tap'],
    [{ hasTun: false }, 'the host has no /dev/net/tun'],
    [{ facts: silent }, 'its interface "eth0" has no ARP, by which a guest would be found'],
    [{ nameServers: ['127.0.0.11'] }, 'its name server 127.0.0.11 is inside the network namespace'],
    [
      { isToldAddress: false },
      'its command line has no place for an address, such as {ipv4}, so that it has to ask for one',
    ],
  ];
  for (const [change, reason] of cases) {
    const notes = reason === undefined ? [] : [`user stack, as ${reason}`];
    t.match(planNetwork({ ...usual, ...change }), { kind: 'user', notes }, reason ?? 'no reason');
  }
  t.throws(() => planNetwork({ ...usual, facts: silent, mode: 'tap' }), { code: 'NETWORK_UNSUPPORTED' });
  t.equal(planNetwork({ ...usual, nameServers: ['127.0.0.11', '1.1.1.1'] }).kind, 'tap');
  t.equal(planNetwork({ ...usual, nameServers: ['127.0.0.11'], mode: 'tap' }).kind, 'tap');
  t.equal(planNetwork({ ...usual, isToldAddress: false, mode: 'tap' }).kind, 'tap');
  const noAddress = { links: [ether('eth0')], routes: [], hasRules: false };
  t.equal(
    planNetwork({ ...usual, isToldAddress: false, facts: noAddress }).kind,
    'tap',
    'as the engine has none',
  );
});
