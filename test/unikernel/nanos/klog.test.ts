import t from 'tap';
import { klogBytes, klogExitCodeOffset, parseKlog } from '../../../src/unikernel/nanos/klog.ts';

function area(exitCode: number, messages: string): Buffer {
  const bytes = Buffer.alloc(klogBytes);
  bytes.write('KLOG');
  bytes.writeBigUInt64LE(7n, 4);
  bytes.writeInt32LE(exitCode, klogExitCodeOffset);
  bytes.write(`${messages}\0stale`, 16);
  return bytes;
}

t.test('parseKlog() reads what the kernel left', async (t) => {
  for (const exitCode of [1, 200, 255, 256, -1]) {
    t.strictSame(parseKlog(area(exitCode, 'en1: assigned\n')), {
      bootId: 7n,
      exitCode,
      messages: 'en1: assigned\n',
    });
  }
});

t.test('parseKlog() takes text that fills the area', async (t) => {
  const full = area(1, '');
  full.fill('x', 16);
  t.equal(parseKlog(full)?.messages.length, klogBytes - 16);
});

t.test('parseKlog() finds nothing in an empty or short area', async (t) => {
  t.equal(parseKlog(new Uint8Array(klogBytes)), undefined);
  t.equal(parseKlog(area(1, '').subarray(0, 100)), undefined);
});
