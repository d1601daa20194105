import { RuntimeError } from '../base/runtime-error.ts';
import { guestVolumes } from '../host/guest-volumes.ts';
import { rootOf, type UnikernelDefinition } from '../unikernel/definition.ts';
import type { GuestInput } from '../unikernel/guests/guest.ts';
import { guests } from '../unikernel/guests/index.ts';
import { ownFile } from '../unikernel/oci/own-image.ts';
import { engineInits, tmpfsPaths } from './container-volumes.ts';
import { guestEnvironment } from './guest-environment.ts';
import type { ResolvedUnikernel, UnikernelBundle } from './resolve-unikernel.ts';

/** What a guest's command line is made of, but for its network, which is known only at start. */
export function guestInput(
  unikernel: Pick<ResolvedUnikernel, 'definition' | 'disks' | 'volumes' | 'ports'>,
  found: UnikernelBundle,
): Omit<GuestInput, 'network'> {
  const { definition, ports } = unikernel;
  const { env, hostname, cwd, mounts } = found.spec;
  const root = rootOf(definition);
  return {
    ...programOf(definition, found),
    version: definition.version,
    env: guestEnvironment(env, definition.environment),
    workingDirectory: cwd === '/' ? undefined : cwd,
    hostname,
    root,
    // In a root that is the container's own they are in their places.
    tmpfs: root === '9p' ? [] : tmpfsPaths(mounts),
    volumes: guestVolumes(unikernel),
    port: ports[0]?.guest,
  };
}

/**
 * The guest's arguments. A tracker's own program is not started, and the words after it are the guest's; the words of an image that
 * holds the unikernel, or is its root, are all the guest's. The first word of urunc's Linux images is the program that the kernel is to start.
 * @see urunc-dev/urunc pkg/unikontainers/unikernels/linux.go
 */
function programOf(
  definition: UnikernelDefinition,
  { spec, source }: UnikernelBundle,
): Pick<GuestInput, 'cmdline' | 'args'> {
  const words = withoutInit(spec.args);
  const { guest, cmdline } = definition;
  const root = rootOf(definition);
  if (source.kind === 'registry') return { cmdline, args: root === '9p' ? words : words.slice(1) };
  // An engine wants an entry point; a packed image has the file that describes it there.
  if (words[0] === ownFile) return { cmdline, args: words.slice(1) };
  const [init, ...args] = words;
  if (source.kind !== 'image' || !source.image.isUrunc || guest !== 'linux' || init === undefined)
    return { cmdline, args: guests[guest].dropsProgramName ? words.slice(1) : words };
  const parameter = root === 'initrd' || root === 'none' ? 'rdinit' : 'init';
  return { cmdline: `${cmdline} ${parameter}=${checkInit(init)}`.trimStart(), args };
}

/** @throws RuntimeError GUEST_UNSUPPORTED */
function checkInit(program: string): string {
  if (/^[!#-~]+$/.test(program)) return program;
  throw new RuntimeError('GUEST_UNSUPPORTED', `a Linux guest cannot start ${JSON.stringify(program)}`, {
    hint: 'the path of its first program must be printable ASCII without spaces and double quotes',
  });
}

/** Engines put an init of theirs, such as that of `podman run --init`, before the program, with `--` between. */
function withoutInit(args: readonly string[]): readonly string[] {
  const [program = '', separator] = args;
  return engineInits.has(program) && separator === '--' ? args.slice(2) : args;
}
