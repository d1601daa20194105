import t from 'tap';
import { editDistance, nearest } from '../../src/base/nearest.ts';

t.test('nearest() finds the name that was meant', async (t) => {
  const names = ['create', 'start', 'state', 'kill', 'delete', 'accelerator'];
  const cases: readonly [string, string | undefined][] = [
    ['creat', 'create'],
    ['craete', 'create'],
    ['stat', 'start'],
    ['KILL', 'kill'],
    ['acelerater', 'accelerator'],
    ['pause', undefined],
    ['x', undefined],
    ['', undefined],
  ];
  for (const [name, expected] of cases) t.equal(nearest(name, names), expected, `"${name}"`);
  t.equal(nearest('create', []), undefined, 'of no candidates none is near');
});

t.test('editDistance() counts insertions, removals, replacements and swaps', async (t) => {
  const cases: readonly [string, string, number][] = [
    ['', '', 0],
    ['abc', '', 3],
    ['kernel', 'kernl', 1],
    ['kernel', 'kermel', 1],
    ['kernel', 'kenrel', 1],
    ['kitten', 'sitting', 3],
  ];
  for (const [a, b, expected] of cases) t.equal(editDistance(a, b), expected, `"${a}" and "${b}"`);
});

t.test(
  'editDistance() is a measure: zero only for equals, the same both ways, at most the longer one',
  async (t) => {
    const words = ['', 'a', 'ab', 'ba', 'abc', 'cab', 'bca', 'aabb', 'bbaa', 'memory', 'memroy', 'network'];
    for (const a of words) {
      for (const b of words) {
        const distance = editDistance(a, b);
        if (distance !== editDistance(b, a)) t.fail(`"${a}" and "${b}" differ by the order`);
        if ((distance === 0) !== (a === b)) t.fail(`"${a}" and "${b}" are ${distance} apart`);
        if (distance > Math.max(a.length, b.length)) t.fail(`"${a}" and "${b}" are ${distance} apart`);
      }
    }
    t.pass(`${words.length ** 2} pairs`);
  },
);
