import t from 'tap';
import { linuxNetworkWords } from '../../../src/unikernel/guests/linux-network.ts';
import type { GuestNetwork, NetworkCard } from '../../../src/unikernel/network/types.ts';
import { card } from '../support/plans.ts';

const bare: NetworkCard = { ...card, ipv4: undefined, ipv4Gateway: undefined };
const ipv6 = { address: 'fd00::2', prefixLength: 64 };
const words = (network: Partial<GuestNetwork>, hostname?: string) =>
  linuxNetworkWords({ cards: [card], nameServers: [], ...network }, hostname);
const more = (...cards: readonly NetworkCard[]) => words({ cards }).more;
const kernelWord = 'ip=10.88.0.2::10.88.0.1:255.255.0.0::eth0:off';

t.test('linuxNetworkWords() says in the kernel’s own word what it can', async (t) => {
  t.strictSame(words({}), { ip: kernelWord, more: undefined });
  t.strictSame(linuxNetworkWords(undefined, 'web'), { ip: undefined, more: undefined });
  t.strictSame(words({ cards: [] }, 'web'), { ip: undefined, more: undefined });
  t.equal(
    words({ nameServers: ['1.1.1.1', 'fd00::53', '2.2.2.2', '3.3.3.3'] }, 'web').ip,
    'ip=10.88.0.2::10.88.0.1:255.255.0.0:web:eth0:off:1.1.1.1:2.2.2.2',
  );
});

t.test('linuxNetworkWords() tells init the rest', async (t) => {
  t.equal(more({ ...card, ipv6, ipv6Gateway: 'fd00::1' }), 'eth0,fd00::2/64,default>fd00::1');
  t.equal(
    more({ ...card, moreAddresses: [{ address: '10.88.0.3', prefixLength: 16 }, ipv6] }),
    'eth0,10.88.0.3/16,fd00::2/64',
  );
  const second = { ...card, ipv4: { address: '10.89.5.2', prefixLength: 24 }, ipv4Gateway: '10.89.5.1' };
  t.equal(more(card, second), 'eth1,10.89.5.2/24,default>10.89.5.1');
  t.equal(
    more(card, bare, second),
    'eth2,10.89.5.2/24,default>10.89.5.1',
    'a card without an address keeps its place',
  );
  t.equal(words({ nameServers: ['1.1.1.1', 'fd00::53', '2.2.2.2', '3.3.3.3'] }).more, 'dns,fd00::53');
  t.equal(
    words({ nameServers: ['fd00::53'], search: ['a.example', 'b'] }).more,
    'dns,fd00::53;search,a.example,b',
  );
});

t.test('linuxNetworkWords() has cards ask for an address where they are told so', async (t) => {
  const asking = { ...bare, isAutomatic: true };
  t.strictSame(words({ cards: [asking] }, 'web'), { ip: 'ip=::::web:eth0:dhcp', more: undefined });
  t.strictSame(words({ cards: [asking, asking, card] }), {
    ip: 'ip=:::::eth0:dhcp',
    more: 'eth1,dhcp;eth2,10.88.0.2/16,default>10.88.0.1',
  });
  t.strictSame(words({ cards: [card, asking] }), { ip: kernelWord, more: 'eth1,dhcp' });
});

t.test('linuxNetworkWords() tells init all where the kernel has no word', async (t) => {
  const network = {
    cards: [{ ...bare, ipv6, ipv6Gateway: 'fd00::1' }, card],
    nameServers: ['fd00::53', '1.1.1.1'],
  };
  t.strictSame(linuxNetworkWords(network, 'web'), {
    ip: undefined,
    more: 'eth0,fd00::2/64,default>fd00::1;eth1,10.88.0.2/16,default>10.88.0.1;dns,fd00::53,1.1.1.1;host,web',
  });
  t.equal(
    linuxNetworkWords(network, 'a b')?.more?.includes('host'),
    false,
    'a name is not worth failing for',
  );
});

t.test('linuxNetworkWords() keeps a gateway from the kernel that it could not place', async (t) => {
  const onLink = { ...card, ipv4: { address: '10.0.0.7', prefixLength: 32 }, ipv4Gateway: '169.254.1.1' };
  t.strictSame(words({ cards: [onLink] }), {
    ip: 'ip=10.0.0.7:::255.255.255.255::eth0:off',
    more: 'eth0,default>169.254.1.1',
  });
  const routes = [{ destination: '169.254.1.1', prefixLength: 32, gateway: undefined, metric: 0 }];
  t.equal(more({ ...onLink, routes }), 'eth0,169.254.1.1/32>,default>169.254.1.1');
});

t.test('linuxNetworkWords() has routes by their metric, and direct ones first', async (t) => {
  const route = { destination: '10.1.0.0', prefixLength: 16, gateway: '10.88.0.9', metric: 5 };
  const routes = [
    { ...route, metric: 9, gateway: '10.88.0.8' },
    route,
    { ...route, destination: 'fd01::', prefixLength: 32, gateway: 'fd00::9', metric: 1024 },
    { ...route, destination: '0.0.0.0', prefixLength: 0, metric: 700 },
    { ...route, destination: '10.2.0.0', gateway: undefined },
    { destination: '::', prefixLength: 0, gateway: undefined, metric: 0 },
  ];
  t.equal(
    more({ ...card, routes }),
    'eth0,10.2.0.0/16>,::/0>,10.1.0.0/16>10.88.0.9,10.1.0.0/16>10.88.0.8,default>10.88.0.9,fd01::/32>fd00::9',
  );
});
