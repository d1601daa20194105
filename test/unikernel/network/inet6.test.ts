import t from 'tap';
import { devicesWithGlobalIpv6, hasGlobalIpv6 } from '../../../src/unikernel/network/inet6.ts';

/** As a kernel wrote it. */
const captured = `00000000000000000000000000000001 01 80 10 80       lo
fd000077000000000000000000000002 02 40 00 80     eth0
fe8000000000000084b8b3fffef6aaae 02 40 20 80     eth0
`;

t.test(
  'devicesWithGlobalIpv6() and hasGlobalIpv6() leave out what is for the host or its links',
  async (t) => {
    t.strictSame(devicesWithGlobalIpv6(captured), ['eth0']);
    t.equal(hasGlobalIpv6(captured), true);
    t.equal(hasGlobalIpv6(captured.replace(/^fd.*\n/m, '')), false);
    t.equal(hasGlobalIpv6(''), false);
    t.equal(hasGlobalIpv6('nonsense'), false);
  },
);
