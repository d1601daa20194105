import t from 'tap';
import { ipv4Mask } from '../../src/unikernel/ipv4.ts';

t.test('ipv4Mask() of every prefix length has that many bits, from the left', async (t) => {
  for (let length = 0; length <= 32; length++) {
    const bits = ipv4Mask(length)
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('');
    t.equal(bits, '1'.repeat(length).padEnd(32, '0'), `/${length}`);
  }
  t.equal(ipv4Mask(20), '255.255.240.0');
});
