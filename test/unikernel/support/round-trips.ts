import type { Test } from 'tap';
import { RuntimeError } from '../../../src/base/runtime-error.ts';
import type { GuestInput, GuestSupport } from '../../../src/unikernel/guests/guest.ts';
import { awkwardCharacters, nothing } from './guest-inputs.ts';
import { Random } from './random.ts';

/** What a program in a guest finds. */
export interface Seen {
  readonly args: readonly string[];
  readonly env: readonly string[];
}

export interface RoundTrips {
  readonly guest: GuestSupport;
  /** What else the guest is told. */
  readonly input?: Partial<GuestInput>;
  /** What the guest makes of QEMU's `-append`. */
  readonly read: (line: string) => Seen;
  readonly hasArgs: boolean;
  readonly hasEnv: boolean;
  /** Whether a text has no form on this guest's command line. */
  readonly isHopelessArg: (arg: string) => boolean;
}

/** Whatever is accepted arrives as it was, and nothing is refused that has a form. */
export function checkRoundTrips(t: Test, rounds: number, trips: RoundTrips): void {
  const { guest, input, read, hasArgs, hasEnv, isHopelessArg } = trips;
  const random = new Random(7);
  const hopeless = ['', '\0', 'a\0b'];
  const text = () => (random.below(40) === 0 ? random.pick(hopeless) : random.text(awkwardCharacters, 10));
  let accepted = 0;
  for (let round = 0; round < rounds; round++) {
    const args = hasArgs ? Array.from({ length: random.below(4) }, text) : [];
    const env = hasEnv ? Array.from({ length: random.below(4) }, (_, index) => `V${index}=${text()}`) : [];
    let line: string;
    try {
      line = guest.commandLine({ ...nothing, ...input, args, env });
    } catch (error) {
      if (!(error instanceof RuntimeError) || error.code !== 'GUEST_UNSUPPORTED') throw error;
      if (args.some(isHopelessArg) || [...args, ...env].join('').includes('\0')) continue;
      t.fail(`round ${round}: refused ${JSON.stringify({ args, env })}: ${error.message}`);
      return;
    }
    accepted++;
    const seen = read(line);
    if (JSON.stringify(seen) === JSON.stringify({ args, env })) continue;
    t.strictSame(seen, { args, env }, `round ${round}: ${line}`);
    return;
  }
  t.ok(accepted > rounds / 4, `${accepted} of ${rounds} were accepted`);
}
