import t from 'tap';
import { cardMac, parseNetwork } from '../../../src/cli/machine/network-option.ts';

const macOf = (index: number) => `02:00:00:00:00:0${index}`;
const parse = (...texts: readonly string[]) => parseNetwork(texts, macOf);
const nothing = { ipv4: undefined, ipv4Gateway: undefined, ipv6: undefined, ipv6Gateway: undefined };

t.test('parseNetwork() knows what needs no more words', async (t) => {
  t.strictSame(parse(), { kind: 'user' });
  t.strictSame(parse('user'), { kind: 'user' });
  t.strictSame(parse('none'), { kind: 'none' });
});

t.test('parseNetwork() reads bridges', async (t) => {
  t.strictSame(parse('bridge:br0'), {
    kind: 'bridge',
    cards: [{ bridge: 'br0', mac: macOf(0), ...nothing }],
    nameServers: undefined,
  });
  const whole =
    'bridge:virbr0,ip=192.0.2.2/24,gateway=192.0.2.1,ip=FD00::2/64,gateway=fe80::1,dns=192.0.2.53,dns=fd00::53,mac=52:54:00:AB:cd:ef';
  t.strictSame(parse(whole, 'bridge:br1,ip=10.0.0.1/31'), {
    kind: 'bridge',
    cards: [
      {
        bridge: 'virbr0',
        mac: '52:54:00:ab:cd:ef',
        ipv4: { address: '192.0.2.2', prefixLength: 24 },
        ipv4Gateway: '192.0.2.1',
        ipv6: { address: 'fd00::2', prefixLength: 64 },
        ipv6Gateway: 'fe80::1',
      },
      { bridge: 'br1', mac: macOf(1), ...nothing, ipv4: { address: '10.0.0.1', prefixLength: 31 } },
    ],
    nameServers: ['192.0.2.53', 'fd00::53'],
  });
});

t.test('parseNetwork() names what cannot be', async (t) => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['moon'], /option --network is "moon"/],
    [['bridge'], /option --network is "bridge"/],
    [['bridge:'], /is "bridge:"/],
    [['bridge:a/b'], /is "bridge:a\/b"/],
    [['bridge:sixteen-letters-'], /is "bridge:sixteen-letters-"/],
    [['user', 'none'], /is "user"/],
    [['bridge:br0', 'none'], /is "none"/],
    [['bridge:br0,address=192.0.2.2/24'], /has "address=192.0.2.2\/24"/],
    [['bridge:br0,'], /is "bridge:br0,"/],
    [['bridge:br0,ip=192.0.2.2'], /not an address with the length/],
    [['bridge:br0,ip=192.0.2.2/33'], /not an address with the length/],
    [['bridge:br0,ip=192.0.2.256/24'], /not an address with the length/],
    [['bridge:br0,ip=fd00::2/0'], /not an address with the length/],
    [['bridge:br0,ip=192.0.2.0/24'], /the address of the network itself/],
    [['bridge:br0,ip=192.0.2.255/24'], /the address of the network itself/],
    [['bridge:br0,ip=192.0.2.2/24,ip=192.0.2.3/24'], /has ip twice for IPv4/],
    [['bridge:br0,gateway=192.0.2.1'], /without an address beside it/],
    [['bridge:br0,ip=fd00::2/64,gateway=192.0.2.1'], /without an address beside it/],
    [['bridge:br0,ip=192.0.2.2/24,gateway=192.0.3.1'], /outside of the network of 192.0.2.2\/24/],
    [['bridge:br0,ip=192.0.2.2/24,gateway=192.0.2.2'], /the guest's own address/],
    [['bridge:br0,ip=192.0.2.2/24,gateway=router'], /gateway=router, not an address/],
    [['bridge:br0,dns=x'], /dns=x, not an address/],
    [['bridge:br0,mac=01:00:5e:00:00:01'], /not the hardware address of a single card/],
    [['bridge:br0,mac=00:00:00:00:00:00'], /not the hardware address/],
    [['bridge:br0,mac=02:00:00:00:00:01,mac=02:00:00:00:00:02'], /has mac twice/],
    [['bridge:br0,mac=02:00:00:00:00:01', 'bridge:br0,mac=02:00:00:00:00:01'], /two cards have/],
  ];
  for (const [texts, message] of cases)
    t.throws(() => parse(...texts), { code: 'USAGE', message, hint: /./ }, texts.join(' '));
});

t.test('cardMac() is a local address that stays, and nobody else has', async (t) => {
  const mac = cardMac('host', 'web', 0);
  t.match(mac, /^02(?::[0-9a-f]{2}){5}$/);
  t.equal(cardMac('host', 'web', 0), mac);
  t.equal(
    new Set([mac, cardMac('host', 'web', 1), cardMac('host', 'db', 0), cardMac('other', 'web', 0)]).size,
    4,
  );
});
