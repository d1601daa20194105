import t from 'tap';
import {
  identityMapping,
  isInitialMap,
  monitorIdRange,
  parseIdMap,
  toHostId,
} from '../../src/unikernel/id-mapping.ts';
import type { IdMapping } from '../../src/unikernel/spec.ts';

const rootless: readonly IdMapping[] = [
  { containerId: 0, hostId: 1000, size: 1 },
  { containerId: 1, hostId: 100000, size: 65536 },
];

t.test('parseIdMap() reads what the kernel prints', async (t) => {
  t.strictSame(parseIdMap('         0          0 4294967295\n'), identityMapping);
  t.strictSame(parseIdMap('         0       1000          1\n         1     100000      65536\n'), rootless);
  t.strictSame(parseIdMap(''), []);
  t.strictSame(parseIdMap('\n'), []);
});

t.test('isInitialMap() holds for the identity of all ids only', async (t) => {
  t.equal(isInitialMap(identityMapping), true);
  const others: readonly (readonly IdMapping[])[] = [
    [],
    rootless,
    [{ containerId: 0, hostId: 0, size: 65536 }],
    [{ containerId: 0, hostId: 1, size: 4294967295 }],
    [{ containerId: 1, hostId: 0, size: 4294967295 }],
  ];
  for (const map of others) t.equal(isInitialMap(map), false, JSON.stringify(map));
});

t.test('toHostId() maps the ids there are', async (t) => {
  const cases: readonly [map: readonly IdMapping[], id: number, hostId: number | undefined][] = [
    [rootless, 0, 1000],
    [rootless, 1, 100000],
    [rootless, 65536, 165535],
    [rootless, 65537, undefined],
    [identityMapping, 4294967294, 4294967294],
    [identityMapping, 4294967295, undefined],
    [[], 0, undefined],
  ];
  for (const [map, id, hostId] of cases) t.equal(toHostId(map, id), hostId, `${id}`);
});

t.test('monitorIdRange() takes the configured range where it is mapped as a whole', async (t) => {
  const configured = { first: 0x7000_0000, count: 0x1_0000 };
  const cases: readonly [what: string, map: readonly IdMapping[], first: number, count: number][] = [
    ['root of the host', identityMapping, 0x7000_0000, 0x1_0000],
    ['rootless: the upper half of the largest mapping', rootless, 32769, 32768],
    ['--uidmap 0:100000:65536', [{ containerId: 0, hostId: 100000, size: 65536 }], 32768, 32768],
    [
      'a range that ends too early',
      [{ containerId: 0, hostId: 0, size: 0x7000_0000 + 100 }],
      0x7000_0000 + 100 - 0x3800_0032,
      0x3800_0032,
    ],
    ['one id', [{ containerId: 0, hostId: 1000, size: 1 }], 0, 1],
    ['no id at all', [], 0, 1],
  ];
  for (const [what, map, first, count] of cases)
    t.strictSame(monitorIdRange(map, configured), { first, count }, what);
});

t.test('monitorIdRange() never leaves what is mapped', async (t) => {
  for (const size of [1, 2, 3, 10, 65536, 70000]) {
    const map = [{ containerId: 7, hostId: 500, size }];
    const { first, count } = monitorIdRange(map, { first: 60000, count: 5000 });
    t.ok(count >= 1);
    t.equal(
      toHostId(map, first) !== undefined && toHostId(map, first + count - 1) !== undefined,
      true,
      `${size} ids`,
    );
  }
});
