import t from 'tap';
import {
  addedMemoryMiB,
  guestMemoryWithin,
  type MemoryRequest,
  planMemory,
} from '../../src/unikernel/memory-plan.ts';

const MiB = 1024 * 1024;

interface Case {
  readonly limitMiB?: number;
  readonly definedMiB?: number;
  readonly overheadMiB?: number;
  readonly mode?: 'within' | 'on-top';
  readonly more?: Partial<MemoryRequest>;
}

function plan({ limitMiB, definedMiB, overheadMiB, mode = 'within', more = {} }: Case) {
  return planMemory({
    definedMiB,
    limitBytes: limitMiB === undefined ? undefined : limitMiB * MiB,
    defaultMiB: 128,
    leastMiB: 2,
    loadedBytes: 30_000,
    accelerator: 'tcg',
    cpus: 1,
    volumes: 0,
    fileServers: 0,
    hasPasst: false,
    config: { memoryLimit: mode, memoryOverheadMiB: overheadMiB },
    ...more,
  });
}

t.test('planMemory() leaves QEMU its part of the limit', async (t) => {
  const cases: readonly [what: Case, guestMiB: number, overheadMiB: number, codeCacheMiB: number][] = [
    // The formula: 20 (kvm 16) + a quarter of the limit, 12 to 24 + an eighth, 4 to 32 (kvm 0) + CPUs + volumes + guest / 256.
    [{}, 128, 78, 32],
    [{ limitMiB: 256 }, 178, 78, 32],
    [{ limitMiB: 256, definedMiB: 256 }, 178, 78, 32],
    [{ limitMiB: 256, definedMiB: 32 }, 32, 78, 32],
    [{ limitMiB: 128 }, 66, 62, 16],
    [{ limitMiB: 64, definedMiB: 32 }, 18, 46, 8],
    [{ limitMiB: 64.9 }, 18, 46, 8],
    [{ limitMiB: 42 }, 3, 39, 5],
    [{ limitMiB: 4096 }, 4003, 93, 32],
    [{ limitMiB: 64, more: { accelerator: 'kvm' } }, 30, 34, 0],
    [{ limitMiB: 256, more: { accelerator: 'kvm' } }, 214, 42, 0],
    [{ limitMiB: 256, more: { cpus: 4 } }, 175, 81, 32],
    [{ limitMiB: 256, more: { volumes: 3 } }, 175, 81, 32],
    [{ limitMiB: 256, more: { hasPasst: true } }, 150, 106, 32],
    [{ limitMiB: 64, overheadMiB: 40 }, 24, 40, 8],
    [{ definedMiB: 512, overheadMiB: 40 }, 512, 40, 32],
  ];
  for (const [what, guestMiB, overheadMiB, codeCacheMiB] of cases) {
    const expected = { guestMiB, vmm: { limit: 'within', overheadMiB, codeCacheMiB } };
    t.strictSame(plan(what), expected, JSON.stringify(what));
  }
});

t.test('planMemory() never plans for more than the limit, and wastes none', async (t) => {
  for (let limitMiB = 42; limitMiB < 70_000; limitMiB = Math.ceil(limitMiB * 1.07)) {
    const { guestMiB, vmm } = plan({ limitMiB });
    const sum = guestMiB + vmm.overheadMiB;
    t.ok(sum === limitMiB || sum === limitMiB - 1, `${limitMiB}: ${guestMiB} + ${vmm.overheadMiB}`);
  }
});

t.test('planMemory() leaves the guest all of the limit where QEMU comes on top', async (t) => {
  const cases: readonly [what: Case, guestMiB: number, overheadMiB: number][] = [
    [{}, 128, 78],
    [{ limitMiB: 64 }, 64, 78],
    [{ limitMiB: 2.9 }, 2, 78],
    [{ limitMiB: 64, definedMiB: 512 }, 64, 78],
    [{ limitMiB: 64, definedMiB: 8, overheadMiB: 50 }, 8, 50],
  ];
  for (const [what, guestMiB, overheadMiB] of cases) {
    const { vmm, ...rest } = plan({ ...what, mode: 'on-top' });
    t.strictSame(rest, { guestMiB }, JSON.stringify(what));
    t.strictSame(vmm, { limit: 'on-top', overheadMiB, codeCacheMiB: 32 });
    t.equal(addedMemoryMiB(vmm), overheadMiB);
  }
  t.equal(addedMemoryMiB(plan({ limitMiB: 64 }).vmm), 0);
});

t.test('planMemory() says of a limit that is too low what would do', async (t) => {
  const cases: readonly [what: Case, overheadMiB: number, neededMiB: number][] = [
    [{ limitMiB: 16 }, 39, 2],
    [{ limitMiB: 1 }, 39, 2],
    [{ limitMiB: 40 }, 39, 2],
    [{ limitMiB: 16, definedMiB: 32 }, 39, 2],
    [{ limitMiB: 16, more: { accelerator: 'kvm' } }, 30, 2],
    [{ limitMiB: 100, more: { loadedBytes: 56 * MiB } }, 60, 56],
    [{ limitMiB: 40, overheadMiB: 39 }, 39, 2],
  ];
  for (const [what, overheadMiB, neededMiB] of cases) {
    const text = JSON.stringify(what);
    t.throws(
      () => plan(what),
      {
        code: 'MEMORY_INVALID',
        message: `a memory limit of ${what.limitMiB} MiB is too low: QEMU needs ${overheadMiB} MiB of it, and the guest at least ${neededMiB} MiB`,
        hint: new RegExp(` to ${overheadMiB + neededMiB} MiB or more;`),
      },
      text,
    );
    const enough = plan({ ...what, limitMiB: overheadMiB + neededMiB });
    t.equal(enough.guestMiB, neededMiB, `what it says would do does: ${text}`);
  }
});

t.test('planMemory() refuses less memory than what is loaded into it needs', async (t) => {
  const cases: readonly [what: Case, guestMiB: number, neededMiB: number][] = [
    [{ definedMiB: 1 }, 1, 2],
    [{ definedMiB: 8, limitMiB: 512, more: { loadedBytes: 20 * MiB } }, 8, 20],
    [{ more: { loadedBytes: 128 * MiB + 1 } }, 128, 129],
    [{ mode: 'on-top', limitMiB: 16, more: { loadedBytes: 20 * MiB } }, 16, 20],
  ];
  for (const [what, guestMiB, neededMiB] of cases) {
    t.throws(() => plan(what), {
      code: 'MEMORY_INVALID',
      message: `${guestMiB} MiB of memory is too little for the guest`,
      hint: new RegExp(` ${neededMiB} MiB: `),
    });
  }
});

t.test('guestMemoryWithin() is what a new limit leaves, and at most what there was', async (t) => {
  const within = { guestMiB: 100, vmm: { limit: 'within', overheadMiB: 50, codeCacheMiB: 16 } } as const;
  const onTop = { ...within, vmm: { ...within.vmm, limit: 'on-top' } } as const;
  const cases: readonly [typeof within | typeof onTop, limitMiB: number, guestMiB: number, boolean][] = [
    [within, 120, 70, false],
    [within, 150, 100, false],
    [within, 151, 100, true],
    [within, 40, 2, false],
    [onTop, 70, 70, false],
    [onTop, 101, 100, true],
  ];
  for (const [memory, limitMiB, guestMiB, isBounded] of cases) {
    t.strictSame(guestMemoryWithin(memory, limitMiB * MiB), { bytes: guestMiB * MiB, isBounded });
  }
  t.strictSame(guestMemoryWithin(within, Number.POSITIVE_INFINITY), { bytes: 100 * MiB, isBounded: true });
});
