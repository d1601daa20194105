import t from 'tap';
import { type Link, type NamespaceFacts, parseNamespaceFacts } from '../../../src/unikernel/network/facts.ts';
import { planPasst } from '../../../src/unikernel/network/passt-plan.ts';
import { passtServer } from '../../../src/unikernel/network/passt-server.ts';
import type { PasstPlan } from '../../../src/unikernel/network/types.ts';
import { fixture } from '../support/fixtures.ts';

const bridge = parseNamespaceFacts(fixture('ip/podman-bridge.txt'), '');
const eth0: Link = {
  name: 'eth0',
  mac: '02:00:00:00:00:01',
  mtu: 1400,
  isUp: true,
  hasArp: true,
  ipv4: [{ address: '10.9.0.1', prefixLength: 24 }],
  ipv6: [],
};
const eth1: Link = {
  ...eth0,
  name: 'eth1',
  ipv4: [],
  ipv6: [
    { address: 'fd00:91::3', prefixLength: 64 },
    { address: 'fd00:91::4', prefixLength: 64 },
  ],
};
const toAll = (device: string, gateway: string, metric = 0) => ({
  device,
  destination: gateway.includes(':') ? '::' : '0.0.0.0',
  prefixLength: 0,
  gateway,
  metric,
});

function plan(
  facts: NamespaceFacts,
  { nameServers = [] }: { nameServers?: readonly string[] } = {},
  ipv6 = true,
): PasstPlan | undefined {
  const abilities = { cards: 1, ipv6, multiqueue: false, asksForAddress: true };
  const ports = [
    { host: 8080, guest: 80, protocol: 'tcp' },
    { host: 53, guest: 53, protocol: 'udp' },
  ] as const;
  return planPasst({ facts, links: facts.links, ports, nameServers, guest: 'raw', abilities });
}

function planned(...args: Parameters<typeof plan>): PasstPlan {
  const made = plan(...args);
  if (made === undefined) throw new Error('there is no plan');
  return made;
}

t.test("planPasst() gives the guest the container's addresses", async (t) => {
  t.match(plan(bridge, { nameServers: ['10.88.0.1'] }), {
    kind: 'passt',
    guest: {
      cards: [
        {
          mac: '72:d1:97:ae:69:c5',
          ipv4: { address: '10.88.0.2', prefixLength: 16 },
          ipv4Gateway: '10.88.0.1',
          mtu: 1500,
        },
      ],
      nameServers: ['10.88.0.1'],
    },
    link: 'eth0',
    mtu: 1500,
    nameServerInside: undefined,
    notes: [],
  });
});

t.test('planPasst() takes the interface of the default route, and says of the others', async (t) => {
  const routes = [toAll('eth0', '10.9.0.254', 200), toAll('eth1', 'fd00:91::1', 100)];
  const facts = { links: [eth0, eth1], routes, hasRules: false };
  t.match(plan(facts), {
    link: 'eth1',
    guest: { cards: [{ ipv6: { address: 'fd00:91::3' }, ipv6Gateway: 'fd00:91::1', moreAddresses: [] }] },
    notes: ['one card for eth1, through which eth0 can be reached as well'],
  });
  t.equal(plan({ ...facts, routes: [] })?.link, 'eth0');
  t.match(plan({ ...facts, links: [{ ...eth0, ipv4: [] }, eth1], routes: [] }), { link: 'eth1', notes: [] });
  t.equal(plan({ ...facts, links: [{ ...eth0, ipv4: [] }] }), undefined);
});

t.test('planPasst() makes up a gateway where there is none, since passt has routes of its own', async (t) => {
  t.match(plan({ links: [eth0], routes: [], hasRules: false })?.guest.cards, [{ ipv4Gateway: '10.9.0.2' }]);
  t.match(plan({ links: [eth1], routes: [], hasRules: false })?.guest.cards, [
    { ipv4Gateway: undefined, ipv6Gateway: 'fe80::1' },
  ]);
});

t.test('planPasst() leads to a name server inside the namespace', async (t) => {
  t.match(plan(bridge, { nameServers: ['127.0.0.11', '9.9.9.9', '127.0.0.53'] }), {
    guest: { nameServers: ['169.254.1.1', '9.9.9.9'] },
    nameServerInside: '169.254.1.1',
  });
  t.match(plan({ links: [eth1], routes: [], hasRules: false }, { nameServers: ['127.0.0.11'] }), {
    guest: { nameServers: [] },
    nameServerInside: undefined,
  });
});

t.test('planPasst() is impossible without a family that the guest knows', async (t) => {
  t.throws(() => plan({ links: [eth1], routes: [], hasRules: false }, {}, false), {
    code: 'NETWORK_UNSUPPORTED',
  });
});

t.test('passtServer() is the whole command line', async (t) => {
  const user = { uid: 1000, gid: 1000 };
  const line = (made: PasstPlan, whom = user) => passtServer('/usr/bin/passt', made, whom).command.join(' ');
  const start = '/usr/bin/passt --foreground --quiet --one-off --socket /tmp/passt.sock --pid /tmp/passt.pid';
  t.equal(
    line(planned(bridge)),
    `${start} --interface eth0 --mac-addr 02:75:63:00:00:02 --mtu 1500 --no-map-gw` +
      ' --address 10.88.0.2 --netmask 16 --gateway 10.88.0.1 --ipv4-only --tcp-ports 8080:80 --udp-ports 53',
  );
  const both = { ...eth0, ipv6: eth1.ipv6 };
  t.match(
    line(planned({ links: [both], routes: [], hasRules: false }, { nameServers: ['127.0.0.11'] })),
    ' --address 10.9.0.1 --netmask 24 --gateway 10.9.0.2 --address fd00:91::3 --gateway fe80::1 --dns-forward 169.254.1.1 ',
  );
  t.match(
    line(planned({ links: [eth1], routes: [], hasRules: false })),
    ' --ipv6-only --address fd00:91::3 --gateway fe80::1 ',
  );
  t.match(line(planned(bridge), { uid: 0, gid: 7 }), ' --runas 0:7 ');
});
