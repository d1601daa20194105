import t from 'tap';
import { scopeOf } from '../../src/runtime/scope-description.ts';

t.test('scopeOf() finds the scope of a container', async (t) => {
  const id = '300b3453d0ac';
  const rows: readonly [text: string, expected: ReturnType<typeof scopeOf>][] = [
    [`0::/machine.slice/libpod-${id}.scope/container\n`, { unit: `libpod-${id}.scope`, isUser: false }],
    [
      `0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${id}.scope/container\n`,
      { unit: `libpod-${id}.scope`, isUser: true },
    ],
    [
      `4:memory:/x\n1:name=systemd:/system.slice/docker-${id}.scope\n0::/\n`,
      { unit: `docker-${id}.scope`, isUser: false },
    ],
    [`0::/libpod_parent/libpod-${id}\n`, undefined],
    ['0::/user.slice/user-0.slice/session-4.scope\n', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of rows) t.strictSame(scopeOf(text, id), expected, text.trim());
});
