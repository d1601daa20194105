import t from 'tap';
import { tapBatches, tapTeardown } from '../../../src/unikernel/network/tap-batches.ts';
import { tapCard, twoTaps } from '../support/plans.ts';

const mark = '0123456789ab';

t.test('tapBatches() and tapTeardown() are lines for ip(8) and tc(8)', async (t) => {
  t.strictSame(tapBatches([{ ...tapCard, mtu: 1400 }], 1879048192, mark), {
    ip: [
      'tuntap add dev uct0123456789ab mode tap user 1879048192 vnet_hdr',
      'link set dev uct0123456789ab alias ucrun-0123456789ab name uctap0 mtu 1400 addrgenmode none up',
      '',
    ].join('\n'),
    tc: [
      'qdisc add dev eth0 ingress',
      'filter add dev eth0 parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev uctap0',
      'qdisc add dev uctap0 ingress',
      'filter add dev uctap0 parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev eth0',
      '',
    ].join('\n'),
  });
  t.strictSame(tapTeardown([tapCard], mark), {
    tc: 'qdisc delete dev eth0 ingress\n',
    ip: 'link delete dev uct0123456789ab\nlink delete dev uctap0\n',
  });
});

t.test('tapBatches() are one for each program, however many taps there are', async (t) => {
  const { ip, tc } = tapBatches(twoTaps.taps, 7, mark);
  t.match(ip, /^tuntap add dev uct\w{12} mode tap user 7 vnet_hdr multi_queue\nlink set .* name uctap0 /);
  t.match(
    ip,
    /\ntuntap add dev uct\w{12} mode tap user 7 .*\nlink set dev uct\w{12} .* name uctap1 mtu 9000 /,
  );
  t.equal(tc.split('\n').length - 1, 8);
  t.strictSame(tapTeardown(twoTaps.taps, mark), {
    tc: 'qdisc delete dev eth0 ingress\nqdisc delete dev eth1 ingress\n',
    ip: 'link delete dev uct0123456789ab\nlink delete dev uctap1\nlink delete dev uctap0\n',
  });
});
