import t from 'tap';
import {
  type Link,
  type NamespaceFacts,
  type NetworkMode,
  type NetworkRequest,
  parseNamespaceFacts,
  planNetwork,
  tapBatches,
  tapTeardown,
} from '../../src/unikernel/network-plan.ts';
import { fixture } from './support/fixtures.ts';
import { tapNetwork } from './support/plans.ts';

const captured = (name: string) => parseNamespaceFacts(fixture(`ip/${name}.txt`), '');
const bridge = captured('podman-bridge');
const slirp = captured('podman-slirp');
const none = captured('podman-none');
/** The namespace of a pod in which another unikernel has its tap. */
const taken: NamespaceFacts = {
  ...bridge,
  links: [...bridge.links, { name: 'uctap0', mac: '02:00:00:00:00:09', mtu: 1500, ipv4: [], ipv6: [] }],
};

const ports = [{ host: 8080, guest: 80, protocol: 'tcp' }] as const;
const usual: NetworkRequest = {
  mode: 'auto',
  facts: bridge,
  isShared: false,
  isRootless: false,
  hasTun: true,
  ports,
  nameServers: ['10.88.0.1'],
};

t.test('parseNamespaceFacts() reads the interfaces of every kind of network', async (t) => {
  t.strictSame(bridge, {
    links: [
      {
        name: 'eth0',
        mac: '72:d1:97:ae:69:c5',
        mtu: 1500,
        ipv4: [{ address: '10.88.0.2', prefixLength: 16 }],
        ipv6: [],
      },
    ],
    gateways: { eth0: '10.88.0.1' },
    ipv6Gateways: {},
  });
  t.strictSame(captured('docker-bridge'), {
    links: [
      {
        name: 'eth0',
        mac: '02:42:ac:11:00:02',
        mtu: 1500,
        ipv4: [{ address: '172.17.0.2', prefixLength: 16 }],
        ipv6: [],
      },
    ],
    gateways: { eth0: '172.17.0.1' },
    ipv6Gateways: {},
  });
  t.strictSame(captured('podman-two-networks'), {
    links: [
      {
        name: 'eth0',
        mac: '3e:c5:ee:2a:84:aa',
        mtu: 1500,
        ipv4: [{ address: '10.89.6.2', prefixLength: 24 }],
        ipv6: [],
      },
      {
        name: 'eth1',
        mac: 'f2:3d:f1:a6:1f:57',
        mtu: 1500,
        ipv4: [{ address: '10.89.5.2', prefixLength: 24 }],
        ipv6: [],
      },
    ],
    gateways: { eth0: '10.89.6.1', eth1: '10.89.5.1' },
    ipv6Gateways: {},
  });
  t.strictSame(slirp, {
    links: [
      {
        name: 'tap0',
        mac: 'fe:a5:4f:e2:a1:a6',
        mtu: 65520,
        ipv4: [{ address: '10.0.2.100', prefixLength: 24 }],
        ipv6: [{ address: 'fd00::fca5:4fff:fee2:a1a6', prefixLength: 64 }],
      },
    ],
    gateways: { tap0: '10.0.2.2' },
    ipv6Gateways: {},
  });
  t.strictSame(none, { links: [], gateways: {}, ipv6Gateways: {} });
});

const link = { ifname: 'eth0', address: '02:00:00:00:00:01', mtu: 1500, link_type: 'ether', addr_info: [] };
const zeros = '0'.repeat(32);
const ipv6Routes = `${zeros} 00 ${zeros} 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n`;

t.test(
  'parseNamespaceFacts() takes the first gateway of an interface, and global addresses only',
  async (t) => {
    const addresses = [
      { family: 'inet', local: '169.254.1.2', prefixlen: 16, scope: 'link' },
      { family: 'inet6', local: 'fe80::1', prefixlen: 64, scope: 'link' },
      { family: 'inet6', local: 'fd00::2', prefixlen: 64, scope: 'global' },
      { family: 'inet6', local: '2001:db8::2', prefixlen: 48, scope: 'global' },
      { family: 'inet', local: '10.0.0.2', prefixlen: 24, scope: 'global' },
      { family: 'inet', local: '10.0.0.3', prefixlen: 24, scope: 'global' },
    ];
    const routes = [
      { dst: 'default', gateway: '10.0.0.1', dev: 'eth0', metric: 100 },
      { dst: 'default', gateway: '10.0.0.9', dev: 'eth0', metric: 200 },
      { dst: 'default', dev: 'tun0' },
    ];
    t.strictSame(
      parseNamespaceFacts(
        `${JSON.stringify([{ ...link, addr_info: addresses }])}\n${JSON.stringify(routes)}\n`,
        ipv6Routes,
      ),
      {
        links: [
          {
            name: 'eth0',
            mac: link.address,
            mtu: 1500,
            ipv4: [
              { address: '10.0.0.2', prefixLength: 24 },
              { address: '10.0.0.3', prefixLength: 24 },
            ],
            ipv6: [
              { address: 'fd00::2', prefixLength: 64 },
              { address: '2001:db8::2', prefixLength: 48 },
            ],
          },
        ],
        gateways: { eth0: '10.0.0.1' },
        ipv6Gateways: { eth0: 'fd00::1' },
      },
    );
  },
);

t.test('an interface whose name every object knows is one like any other', async (t) => {
  const eth = {
    ...link,
    ifname: 'constructor',
    addr_info: [{ family: 'inet', local: '10.0.0.2', prefixlen: 24, scope: 'global' }],
  };
  const withRoutes = (routes: readonly object[]) =>
    planNetwork({
      ...usual,
      facts: parseNamespaceFacts(
        `${JSON.stringify([eth])}\n${JSON.stringify(routes)}`,
        routes.length === 0 ? '' : ipv6Routes.replace('eth0', eth.ifname),
      ),
    });
  const gateway = '10.0.0.1';
  t.match(withRoutes([{ dst: 'default', gateway, dev: eth.ifname }]), {
    guest: { cards: [{ ipv4Gateway: gateway, ipv6Gateway: 'fd00::1' }] },
  });
  t.match(withRoutes([]), { guest: { cards: [{ ipv4Gateway: undefined, ipv6Gateway: undefined }] } });
});

t.test('parseNamespaceFacts() refuses what ip(8) cannot have meant', async (t) => {
  for (const output of ['nonsense', '[]\n[', '{}{}']) {
    t.throws(
      () => parseNamespaceFacts(output, ''),
      { code: 'HOST_FAILED', message: "ip(8) printed no JSON about the container's network" },
      output,
    );
  }
  const wrong = [
    { ifname: 'a b' },
    { ifname: 'x'.repeat(16) },
    { ifname: 'a/b' },
    { ifname: '' },
    { address: '1' },
    { address: '02:00:00:00:00:01,x=y' },
    { mtu: 'much' },
  ];
  for (const change of wrong) {
    t.throws(
      () => parseNamespaceFacts(JSON.stringify([{ ...link, ...change }]), ''),
      { code: 'HOST_FAILED', message: /^ip\(8\) printed an interface that cannot be: \{/ },
      JSON.stringify(change),
    );
  }
});

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
          mtu: 1500,
        },
      ],
      nameServers: ['10.88.0.1'],
    },
    link: 'eth0',
    tap: 'uctap0',
    mtu: 1500,
  });
  t.match(planNetwork({ ...usual, facts: slirp }), { kind: 'tap', link: 'tap0', mtu: 65520 });
  t.match(planNetwork({ ...usual, facts: captured('podman-two-networks') }), {
    link: 'eth0',
    guest: { cards: [{ mac: '3e:c5:ee:2a:84:aa', ipv4Gateway: '10.89.6.1' }] },
  });
  const noRoute = { ...bridge, gateways: {} };
  t.match(planNetwork({ ...usual, facts: noRoute }), { guest: { cards: [{ ipv4Gateway: undefined }] } });
});

t.test('planNetwork() tells the guest both addresses, of the first interface that has one', async (t) => {
  const ether = (name: string, ipv4: Link['ipv4'], ipv6: Link['ipv6']): Link => ({
    name,
    mac: '02:00:00:00:00:01',
    mtu: 1400,
    ipv4,
    ipv6,
  });
  const v4 = { address: '10.0.0.2', prefixLength: 24 };
  const v6 = { address: 'fd00::2', prefixLength: 64 };
  const gateways = { eth0: '10.0.0.1', eth1: '10.0.1.1' };
  const ipv6Gateways = { eth0: 'fd00::1', eth1: 'fd01::1' };
  const bare = ether('eth0', [], []);
  const cases: readonly [links: readonly Link[], link: string, ...card: unknown[]][] = [
    [[ether('eth0', [v4], [v6])], 'eth0', v4, '10.0.0.1', v6, 'fd00::1'],
    [[ether('eth0', [v4], [])], 'eth0', v4, '10.0.0.1', undefined, 'fd00::1'],
    [[ether('eth0', [], [v6])], 'eth0', undefined, '10.0.0.1', v6, 'fd00::1'],
    [[bare, ether('eth1', [], [v6])], 'eth1', undefined, '10.0.1.1', v6, 'fd01::1'],
    [[ether('eth0', [], [v6]), ether('eth1', [v4], [])], 'eth0', undefined, '10.0.0.1', v6, 'fd00::1'],
    [[ether('eth0', [v4, { ...v4, address: '10.0.0.3' }], [v6])], 'eth0', v4, '10.0.0.1', v6, 'fd00::1'],
  ];
  for (const [links, link, ipv4, ipv4Gateway, ipv6, ipv6Gateway] of cases) {
    t.match(
      planNetwork({ ...usual, facts: { links, gateways, ipv6Gateways } }),
      {
        kind: 'tap',
        link,
        guest: { cards: [{ ipv4, ipv4Gateway, ipv6, ipv6Gateway, mtu: 1400 }] },
      },
      JSON.stringify(links),
    );
  }
  const none = planNetwork({ ...usual, facts: { links: [bare], gateways, ipv6Gateways } });
  t.strictSame(none, { kind: 'none' }, 'an interface with a link-local address alone is none');
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
          mtu: undefined,
        },
      ],
      nameServers: ['10.0.2.3'],
    },
    ports,
    subnet: '10.0.2.0/24',
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
      user: ['user', 'user', 'user', 'user'],
      none: ['none', 'none', 'none', 'none'],
    },
    bridge: {
      auto: ['tap', 'user', 'user', 'user'],
      tap: ['tap', 'tap', 'error', 'tap'],
      user: ['user', 'user', 'user', 'user'],
      none: ['none', 'none', 'none', 'none'],
    },
    slirp: {
      auto: ['tap', 'user', 'user', 'user'],
      tap: ['tap', 'tap', 'error', 'tap'],
      user: ['user', 'user', 'user', 'user'],
      none: ['none', 'none', 'none', 'none'],
    },
    none: {
      auto: ['none', 'none', 'none', 'none'],
      tap: ['none', 'none', 'none', 'none'],
      user: ['none', 'none', 'none', 'none'],
      none: ['none', 'none', 'none', 'none'],
    },
    taken: {
      auto: ['user', 'user', 'user', 'user'],
      tap: ['error', 'error', 'error', 'error'],
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

t.test('tapBatches() and tapTeardown() are lines for ip(8) and tc(8)', async (t) => {
  t.strictSame(tapBatches({ ...tapNetwork, mtu: 1400 }, 1879048192), {
    ip: 'tuntap add dev uctap0 mode tap user 1879048192 vnet_hdr\nlink set dev uctap0 mtu 1400 addrgenmode none up\n',
    tc: [
      'qdisc add dev eth0 ingress',
      'filter add dev eth0 parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev uctap0',
      'qdisc add dev uctap0 ingress',
      'filter add dev uctap0 parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev eth0',
      '',
    ].join('\n'),
  });
  t.strictSame(tapTeardown(tapNetwork), {
    ip: 'link delete dev uctap0\n',
    tc: 'qdisc delete dev eth0 ingress\n',
  });
});
