import t from 'tap';
import { parseNamespaceFacts } from '../../../src/unikernel/network/facts.ts';
import { fixture } from '../support/fixtures.ts';

const captured = (name: string) => parseNamespaceFacts(fixture(`ip/${name}.txt`), '');
const up = { isUp: true, hasArp: true };

t.test('parseNamespaceFacts() reads the interfaces of every kind of network', async (t) => {
  const everywhere = { destination: '0.0.0.0', prefixLength: 0 };
  t.strictSame(captured('podman-bridge'), {
    links: [
      {
        name: 'eth0',
        mac: '72:d1:97:ae:69:c5',
        mtu: 1500,
        ...up,
        ipv4: [{ address: '10.88.0.2', prefixLength: 16 }],
        ipv6: [],
      },
    ],
    routes: [{ device: 'eth0', ...everywhere, gateway: '10.88.0.1', metric: 100 }],
    hasRules: false,
  });
  t.match(captured('docker-bridge'), {
    links: [{ name: 'eth0', mac: '02:42:ac:11:00:02', ipv4: [{ address: '172.17.0.2', prefixLength: 16 }] }],
    routes: [{ device: 'eth0', ...everywhere, gateway: '172.17.0.1', metric: 0 }],
  });
  t.match(captured('podman-two-networks'), {
    links: [
      { name: 'eth0', mac: '3e:c5:ee:2a:84:aa', ipv4: [{ address: '10.89.6.2', prefixLength: 24 }] },
      { name: 'eth1', mac: 'f2:3d:f1:a6:1f:57', ipv4: [{ address: '10.89.5.2', prefixLength: 24 }] },
    ],
    routes: [
      { device: 'eth1', ...everywhere, gateway: '10.89.5.1', metric: 100 },
      { device: 'eth0', ...everywhere, gateway: '10.89.6.1', metric: 100 },
    ],
  });
  t.match(captured('podman-slirp'), {
    links: [
      {
        name: 'tap0',
        mtu: 65520,
        ipv4: [{ address: '10.0.2.100', prefixLength: 24 }],
        ipv6: [{ address: 'fd00::fca5:4fff:fee2:a1a6', prefixLength: 64 }],
      },
    ],
    routes: [{ device: 'tap0', ...everywhere, gateway: '10.0.2.2' }],
  });
  t.strictSame(captured('podman-none'), { links: [], routes: [], hasRules: false });
});

const link = {
  ifname: 'eth0',
  flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
  address: '02:00:00:00:00:01',
  mtu: 1500,
  link_type: 'ether',
  addr_info: [],
};
const zeros = '0'.repeat(32);
const ipv6Route = `${zeros} 00 ${zeros} 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n`;
const factsOf = (
  links: readonly object[],
  routes: readonly object[] = [],
  rules: readonly object[] = [],
  ipv6Routes = '',
) =>
  parseNamespaceFacts([links, routes, rules].map((list) => `${JSON.stringify(list)}\n`).join(''), ipv6Routes);

t.test('parseNamespaceFacts() takes global addresses, all of them', async (t) => {
  const addresses = [
    { family: 'inet', local: '169.254.1.2', prefixlen: 16, scope: 'link' },
    { family: 'inet6', local: 'fe80::1', prefixlen: 64, scope: 'link' },
    { family: 'inet6', local: 'fd00::2', prefixlen: 64, scope: 'global' },
    { family: 'inet6', local: '2001:db8::2', prefixlen: 48, scope: 'global' },
    { family: 'inet', local: '10.0.0.2', prefixlen: 24, scope: 'global' },
    { family: 'inet', local: '10.0.0.3', prefixlen: 24, scope: 'global' },
  ];
  t.match(factsOf([{ ...link, addr_info: addresses }], [], [], ipv6Route), {
    links: [
      {
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
    routes: [{ device: 'eth0', destination: '::', prefixLength: 0, gateway: 'fd00::1', metric: 1024 }],
  });
});

t.test('parseNamespaceFacts() knows interfaces that no guest can have', async (t) => {
  const flags = ['BROADCAST', 'NOARP', 'UP'];
  const { links } = factsOf([
    { ...link, flags: ['BROADCAST'] },
    { ...link, flags },
    { ...link, master: 'br0' },
    { ...link, link_type: 'none', address: undefined },
  ]);
  t.strictSame(
    links.map(({ isUp, hasArp }) => [isUp, hasArp]),
    [
      [false, true],
      [true, false],
    ],
  );
});

t.test('parseNamespaceFacts() reads the routes that somebody has set', async (t) => {
  const { routes } = factsOf(
    [link],
    [
      { dst: 'default', gateway: '10.0.0.1', dev: 'eth0', metric: 100 },
      { dst: 'default', dev: 'eth0', scope: 'link' },
      { dst: '10.0.0.0/24', dev: 'eth0', protocol: 'kernel', scope: 'link', prefsrc: '10.0.0.2' },
      { dst: '10.1.0.0/16', gateway: '10.0.0.9', dev: 'eth0' },
      { dst: '169.254.1.1', dev: 'eth0', scope: 'link' },
      { dst: 'default', gateway: '10.0.0.9', dev: 'tun0', metric: 200 },
      // What a guest cannot be told.
      { type: 'blackhole', dst: '10.9.0.0/16' },
      { type: 'unreachable', dst: '10.9.0.0/16', dev: 'lo' },
      { dst: 'default', via: { family: 'inet6', host: 'fe80::1' }, dev: 'eth0' },
      { dst: 'default', nexthops: [{ gateway: '10.0.0.1', dev: 'eth0' }] },
      { dst: 'nonsense', dev: 'eth0' },
      { dst: 7, dev: 'eth0' },
    ],
  );
  t.strictSame(routes, [
    { device: 'eth0', destination: '0.0.0.0', prefixLength: 0, gateway: '10.0.0.1', metric: 100 },
    { device: 'eth0', destination: '0.0.0.0', prefixLength: 0, gateway: undefined, metric: 0 },
    { device: 'eth0', destination: '10.1.0.0', prefixLength: 16, gateway: '10.0.0.9', metric: 0 },
    { device: 'eth0', destination: '169.254.1.1', prefixLength: 32, gateway: undefined, metric: 0 },
    { device: 'tun0', destination: '0.0.0.0', prefixLength: 0, gateway: '10.0.0.9', metric: 200 },
  ]);
});

t.test('parseNamespaceFacts() sees rules that are not those of every namespace', async (t) => {
  const usual = ['local', 'main', 'default'].map((table, priority) => ({ priority, src: 'all', table }));
  t.equal(factsOf([link], [], usual).hasRules, false);
  t.equal(factsOf([link], [], [...usual, { priority: 100, src: '10.0.0.2', table: '100' }]).hasRules, true);
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
