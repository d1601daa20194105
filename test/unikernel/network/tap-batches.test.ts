import t from 'tap';
import { tapBatches, tapTeardown } from '../../../src/unikernel/network/tap-batches.ts';
import { tapCard, twoTaps } from '../support/plans.ts';

t.test('tapBatches() and tapTeardown() are lines for ip(8) and tc(8)', async (t) => {
  t.strictSame(tapBatches([{ ...tapCard, mtu: 1400 }], 1879048192), {
    ip: 'tuntap add dev uctap0 mode tap user 1879048192 vnet_hdr\nlink set dev uctap0 mtu 1400 addrgenmode none up\n',
    tc: [
      'qdisc add dev eth0 ingress',
      'filter add dev eth0 parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev uctap0',
      'qdisc add dev uctap0 ingress',
      'filter add dev uctap0 parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev eth0',
      '',
    ].join('\n'),
  });
  t.strictSame(tapTeardown([tapCard]), {
    ip: 'link delete dev uctap0\n',
    tc: 'qdisc delete dev eth0 ingress\n',
  });
});

t.test('tapBatches() are one for each program, however many taps there are', async (t) => {
  const { ip, tc } = tapBatches(twoTaps.taps, 7);
  t.match(ip, 'tuntap add dev uctap0 mode tap user 7 vnet_hdr multi_queue\n');
  t.match(ip, 'tuntap add dev uctap1 mode tap user 7 vnet_hdr multi_queue\nlink set dev uctap1 mtu 9000 ');
  t.equal(tc.split('\n').length - 1, 8);
  t.strictSame(tapTeardown(twoTaps.taps), {
    ip: 'link delete dev uctap0\nlink delete dev uctap1\n',
    tc: 'qdisc delete dev eth0 ingress\nqdisc delete dev eth1 ingress\n',
  });
});
