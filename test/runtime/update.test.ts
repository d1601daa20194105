import t from 'tap';
import { memoryFlag, memoryResource, raiseMemory, raiseMemoryFlags } from '../../src/runtime/update.ts';

const MiB = 1024 * 1024;

t.test('raiseMemory() adds what the monitor needs to the limits, and keeps the rest', async (t) => {
  const written = {
    memory: { limit: 128 * MiB, swap: 256 * MiB, reservation: 64 * MiB, checkBeforeUpdate: true },
    cpu: { quota: 50_000, shares: 2 },
    unified: { 'memory.high': '5' },
    unknown: [1, null],
  };
  t.strictSame(JSON.parse(raiseMemory(JSON.stringify(written), 'f', 64)), {
    ...written,
    memory: { ...written.memory, limit: 192 * MiB, swap: 320 * MiB },
  });
});

t.test('raiseMemory() gives back the same text where no memory is limited', async (t) => {
  const texts = [
    '{}',
    ' { "cpu" : { "quota" : 1 } }\n',
    '{"memory":{}}',
    '{"memory":null}',
    '{"memory":{"limit":-1,"swap":0,"reservation":5}}',
    '{"memory":{"limit":9223372036854775807,"swap":18446744073709551615}}',
    '{"memory":{"limit":"128m"}}',
    '{"memory":7}',
    '[]',
    'null',
    '"text"',
  ];
  for (const text of texts) t.equal(raiseMemory(text, 'f', 64), text);
});

t.test('raiseMemory() keeps integers that a number cannot hold', async (t) => {
  const text = `{"memory":{"limit":${MiB},"swap":9223372036854775807},"x":18446744073709551615}`;
  t.equal(raiseMemory(text, 'f', 1), text.replace(`${MiB}`, `${2 * MiB}`));
});

t.test('raiseMemory() names the place of what is no JSON', async (t) => {
  for (const text of ['', '{', '{"memory":{"limit":0x5}}']) {
    t.throws(() => raiseMemory(text, '-', 64), {
      code: 'USAGE',
      message: 'the resources on standard input are not JSON',
    });
    t.throws(() => raiseMemory(text, '/r.json', 64), { message: 'the resources in "/r.json" are not JSON' });
  }
});

t.test('raiseMemoryFlags() adds to the flags, however they are written', async (t) => {
  const limit = `${128 * MiB}`;
  const raised = `${192 * MiB}`;
  const cases: readonly [args: readonly string[], expected: readonly string[]][] = [
    [
      ['--memory', limit, 'id'],
      ['--memory', raised, 'id'],
    ],
    [
      [`--memory=${limit}`, '--cpu-quota=5', `--memory-swap=${limit}`, 'id'],
      [`--memory=${raised}`, '--cpu-quota=5', `--memory-swap=${raised}`, 'id'],
    ],
    [
      ['--memory-swap', limit, '--memory', '1', '--', limit],
      ['--memory-swap', raised, '--memory', `${64 * MiB + 1}`, '--', limit],
    ],
  ];
  for (const [args, expected] of cases) t.strictSame(raiseMemoryFlags(args, 64), expected);
  const untouched = [
    ['id'],
    ['--memory', '-1', '--memory-swap=-1', 'id'],
    ['--memory=0', 'id'],
    ['--memory', '128m', 'id'],
    ['--memory=9223372036854771712', 'id'],
    ['--memory=', 'id'],
    ['id', '--memory'],
    ['--memory-reservation', limit, '--kernel-memory=5', '--pids-limit', limit, 'id'],
  ];
  for (const args of untouched) t.strictSame(raiseMemoryFlags(args, 64), args);
});

t.test('memoryFlag() is the limit that the flags set', async (t) => {
  const limit = `${128 * MiB}`;
  const cases: readonly [args: readonly string[], expected: number | undefined][] = [
    [['--memory', limit, 'id'], 128 * MiB],
    [['--memory=5', `--memory=${limit}`, 'id'], 128 * MiB],
    [['--memory', '-1', 'id'], Number.POSITIVE_INFINITY],
    [['--memory=9223372036854771712', 'id'], Number.POSITIVE_INFINITY],
    [['--memory=0', 'id'], undefined],
    [['--memory=128m', 'id'], undefined],
    [['--memory-swap', limit, 'id'], undefined],
    [['id'], undefined],
  ];
  for (const [args, expected] of cases) t.equal(memoryFlag(args), expected, args.join(' '));
});

t.test("memoryResource() is the limit in an engine's resources", async (t) => {
  const cases: readonly [text: string, expected: number | undefined][] = [
    ['{"memory":{"limit":5,"swap":9}}', 5],
    ['{"memory":{"limit":-1}}', Number.POSITIVE_INFINITY],
    ['{"memory":{"limit":9223372036854771712}}', Number.POSITIVE_INFINITY],
    ['{"memory":{"limit":0}}', undefined],
    ['{"memory":{"limit":"5"}}', undefined],
    ['{"memory":{"limit":null}}', undefined],
    ['{"memory":null,"pids":{"limit":5}}', undefined],
    ['null', undefined],
  ];
  for (const [text, expected] of cases) t.equal(memoryResource(text), expected, text);
});
