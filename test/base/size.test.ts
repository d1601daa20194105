import t from 'tap';
import { RuntimeError } from '../../src/base/runtime-error.ts';
import { formatBytes, formatMiB, parseMiB } from '../../src/base/size.ts';

t.test('parseMiB() reads MiB and GiB', async (t) => {
  t.equal(parseMiB('128MiB', 'memory'), 128);
  t.equal(parseMiB('1GiB', 'memory'), 1024);
});

t.test('parseMiB() reads back what formatMiB() writes', async (t) => {
  for (let sizeMiB = 1; sizeMiB <= 9_999_999; sizeMiB = Math.ceil(sizeMiB * 1.07)) {
    if (parseMiB(formatMiB(sizeMiB), 'memory') !== sizeMiB)
      t.fail(`${sizeMiB} is written ${formatMiB(sizeMiB)}`);
  }
  t.equal(formatMiB(1024), '1GiB');
  t.equal(formatMiB(1536), '1536MiB');
});

t.test('parseMiB() refuses what is no size, and says what to write', async (t) => {
  const cases: readonly [string, string][] = [
    ['128', 'write the unit: 128MiB'],
    ['128M', 'write the unit: 128MiB'],
    ['128 MiB', 'write the unit: 128MiB'],
    ['128mb', 'write the unit: 128MiB'],
    ['2G', 'write the unit: 2GiB'],
    ['2Gi', 'write the unit: 2GiB'],
  ];
  const general = 'a size is a whole number above 0 with its unit, such as 128MiB or 1GiB';
  for (const text of [
    '',
    '0',
    '0MiB',
    '-1MiB',
    '1.5GiB',
    '1e3MiB',
    '0x80MiB',
    '12345678MiB',
    '134217728',
    'MiB',
    '1TiB',
  ]) {
    t.throws(() => parseMiB(text, 'memory'), { code: 'MEMORY_INVALID', hint: general }, `"${text}"`);
  }
  for (const [text, hint] of cases) {
    const expected = new RuntimeError('MEMORY_INVALID', `memory in /k is "${text}", not a size`, { hint });
    t.throws(() => parseMiB(text, 'memory in /k'), expected, `"${text}"`);
  }
});

t.test('formatBytes() gives up to three digits', async (t) => {
  const cases: readonly (readonly [bytes: number, text: string])[] = [
    [0, '0B'],
    [999, '999B'],
    [1000, '1KiB'],
    [1536, '1.5KiB'],
    [30572, '30KiB'],
    [999 * 1024, '999KiB'],
    [10 * 1024 ** 2, '10MiB'],
    [3.25 * 1024 ** 3, '3.3GiB'],
    [5000 * 1024 ** 4, '5000TiB'],
  ];
  for (const [bytes, text] of cases) t.equal(formatBytes(bytes), text);
});
