import t from 'tap';
import { withIsolationCalls } from '../../src/unikernel/seccomp.ts';

const allow = 'SCMP_ACT_ALLOW';

t.test('withIsolationCalls() leaves alone what allows them, and what is no profile', async (t) => {
  const loose = {
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ names: ['read', 'mount', 'pivot_root', 'umount2', 'unshare'], action: allow }],
  };
  t.equal(withIsolationCalls(loose), loose);
  t.equal(withIsolationCalls(undefined), undefined);
  t.equal(withIsolationCalls('unconfined'), 'unconfined');
});

t.test('withIsolationCalls() adds just the calls of passt', async (t) => {
  const strict = {
    defaultAction: 'SCMP_ACT_ERRNO',
    architectures: ['SCMP_ARCH_X86_64'],
    syscalls: [
      { names: ['read', 'write'], action: allow },
      { names: ['mount', 'setns', 'unshare'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 },
      { names: ['umount2'], action: 'SCMP_ACT_KILL' },
    ],
  };
  t.strictSame(withIsolationCalls(strict), {
    defaultAction: 'SCMP_ACT_ERRNO',
    architectures: ['SCMP_ARCH_X86_64'],
    syscalls: [
      { names: ['read', 'write'], action: allow },
      { names: ['setns'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 },
      {
        names: ['unshare'],
        action: allow,
        args: [{ index: 0, value: 0xc3fd_ffff, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      },
      { names: ['mount'], action: allow, args: [{ index: 3, value: 0x24000, op: 'SCMP_CMP_EQ' }] },
      { names: ['mount'], action: allow, args: [{ index: 3, value: 15, op: 'SCMP_CMP_EQ' }] },
      { names: ['umount2'], action: allow, args: [{ index: 1, value: 10, op: 'SCMP_CMP_EQ' }] },
      { names: ['pivot_root'], action: allow },
    ],
  });
});

t.test('withIsolationCalls() keeps what is allowed with conditions, and its own beside it', async (t) => {
  const own = { names: ['unshare'], action: allow, args: [{ index: 0, value: 1, op: 'SCMP_CMP_EQ' }] };
  const rest = { names: ['mount', 'pivot_root', 'umount2'], action: allow };
  const changed = withIsolationCalls({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: [own, rest] });
  t.match(changed, { syscalls: [own, rest, { names: ['unshare'], args: [{ value: 0xc3fd_ffff }] }] });
});

t.test('withIsolationCalls() of a profile that forbids only some', async (t) => {
  const list = { defaultAction: allow, syscalls: [{ names: ['mount', 'reboot'], action: 'SCMP_ACT_ERRNO' }] };
  t.strictSame(withIsolationCalls(list), {
    defaultAction: allow,
    syscalls: [{ names: ['reboot'], action: 'SCMP_ACT_ERRNO' }],
  });
});
