import t from 'tap';
import { graceWithin } from '../../src/unikernel/stop-grace.ts';

t.test('graceWithin() is a second less than the engine waits', async (t) => {
  const cases: readonly [annotation: string | undefined, graceMs: number][] = [
    [undefined, 5000],
    ['uint64 10000000', 5000],
    ['uint64 6000000', 5000],
    ['uint64 5000000', 4000],
    ['uint64 3500000', 2500],
    ['uint64 1000999', 1],
    ['uint64 1000000', 5000],
    ['uint64 0', 5000],
    ['uint64 18446744073709551615', 5000],
    ['5000000', 5000],
    ['int32 2000000', 5000],
    ['uint64 2000000 ', 5000],
    ['', 5000],
  ];
  for (const [annotation, graceMs] of cases) {
    const annotations =
      annotation === undefined ? {} : { 'org.systemd.property.TimeoutStopUSec': annotation };
    t.equal(graceWithin(5000, { a: 'b', ...annotations }), graceMs, `${annotation}`);
  }
});
