import t from 'tap';
import { isInNetwork, isIpv6 } from '../../../src/unikernel/network/ip-address.ts';

t.test('isInNetwork() compares as many bits as the network has', async (t) => {
  const cases: readonly [network: string, prefixLength: number, address: string, expected: boolean][] = [
    ['10.88.0.2', 16, '10.88.255.1', true],
    ['10.88.0.2', 16, '10.89.0.2', false],
    ['10.88.0.2', 32, '10.88.0.2', true],
    ['10.88.0.2', 32, '10.88.0.3', false],
    ['10.88.0.2', 31, '10.88.0.3', true],
    ['0.0.0.0', 0, '255.255.255.255', true],
    ['192.168.128.0', 17, '192.168.200.1', true],
    ['192.168.128.0', 17, '192.168.100.1', false],
    ['fd00::2', 64, 'fd00::ffff:1', true],
    ['fd00::2', 64, 'fd00:0:0:1::2', false],
    ['fd00::2', 128, 'fd00:0:0:0:0:0:0:2', true],
    ['::', 0, 'fe80::1', true],
    ['2001:db8:a::', 47, '2001:db8:b::1', true],
    ['fe80::1', 10, 'febf::1', true],
    // Of the other family, or no address at all.
    ['0.0.0.0', 0, '::1', false],
    ['::', 0, '10.0.0.1', false],
    ['::', 0, 'fd00::1::2', false],
    ['::', 0, 'fd00:1', false],
    ['::', 0, '1:2:3:4:5:6:7:8:9', false],
    ['::', 0, 'fd00::g', false],
    ['0.0.0.0', 0, '10.0.0', false],
    ['0.0.0.0', 0, '10.0.0.256', false],
    ['0.0.0.0', 0, 'x', false],
    ['0.0.0.0', 0, '', false],
  ];
  for (const [network, prefixLength, address, expected] of cases)
    t.equal(
      isInNetwork({ address: network, prefixLength }, address),
      expected,
      `${address} in ${network}/${prefixLength}`,
    );
});

t.test('isIpv6()', async (t) => {
  t.ok(isIpv6('::'));
  t.notOk(isIpv6('10.0.0.1'));
});
