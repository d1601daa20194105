import t from 'tap';
import { firstOfNetwork, ipv4Mask } from '../../src/unikernel/ipv4.ts';

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

t.test('firstOfNetwork() is the first address that is not the given one', async (t) => {
  const first = (address: string, prefixLength: number) => firstOfNetwork({ address, prefixLength });
  t.equal(first('10.88.7.2', 16), '10.88.0.1');
  t.equal(first('10.88.0.1', 16), '10.88.0.2');
  t.equal(first('255.255.255.250', 29), '255.255.255.249');
});
