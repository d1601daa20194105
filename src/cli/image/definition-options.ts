import type { Options } from 'yargs';
import { guestKinds } from '../../unikernel/guests/guest.ts';

/** What `add` and `import` take for the keys of a definition. */
export interface DefinitionOptions {
  readonly guest?: string | undefined;
  readonly kernel?: string | undefined;
  readonly initrd?: string | undefined;
  readonly disk?: readonly string[] | undefined;
  readonly root?: string | undefined;
  readonly share?: string | undefined;
  readonly cmdline?: string | undefined;
  readonly version?: string | undefined;
  readonly environment?: string | undefined;
  readonly memory?: string | undefined;
  readonly cpus?: string | undefined;
  readonly port?: readonly string[] | undefined;
  readonly machine?: string | undefined;
}

/** An option that may be given once: of several the last counts. */
const single = (describe: string) =>
  ({
    type: 'string',
    requiresArg: true,
    describe,
    coerce: (value: string | readonly string[]) => (typeof value === 'string' ? value : value.at(-1)),
  }) as const satisfies Options;

/** An option that may be given again and again, and does not take the words behind its value. */
const repeated = (describe: string) =>
  ({
    type: 'string',
    requiresArg: true,
    describe,
    coerce: (value: string | readonly string[]) => (typeof value === 'string' ? [value] : value),
  }) as const satisfies Options;

/** Of the keys that name files. */
export const fileOptions = {
  kernel: single('its kernel'),
  initrd: single('its initial RAM disk'),
  disk: repeated('a disk image: FILE[:/mount/point[:ro]]; may be repeated'),
} as const;

/** Of the other keys. */
export const settingOptions = {
  guest: single(`the kind of guest: ${guestKinds.slice(0, -1).join(', ')} or ${guestKinds.at(-1)}`),
  root: single('where its root file system is: none, initrd, disk or 9p'),
  cmdline: single('the command line of a raw guest; for others, words added to theirs'),
  share: single('how a linux guest has directories: 9p or virtiofs'),
  version: single("the version of the guest's system"),
  environment: single("what it gets of the container's environment: own or all"),
  memory: single('its memory, such as 64MiB'),
  cpus: single('the number of its processors'),
  port: repeated('a port that it serves, such as 8080 or 53/udp; may be repeated'),
  machine: single("QEMU's machine: microvm or q35"),
} as const;

/** The definition that the options say, as it would be written. What was not given is not in it. */
export function definitionFrom(options: DefinitionOptions): Readonly<Record<string, unknown>> {
  const {
    guest,
    kernel,
    initrd,
    disk,
    root,
    share,
    cmdline,
    version,
    environment,
    memory,
    cpus,
    port,
    machine,
  } = options;
  const values = {
    guest,
    kernel,
    initrd,
    disk,
    root,
    share,
    cmdline,
    version,
    environment,
    memory,
    cpus: cpus !== undefined && /^\d+$/.test(cpus) ? Number(cpus) : cpus,
    ports: port,
    machine,
  };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** How a key is written on the command line. */
export function optionName(key: string): string {
  return `--${key === 'ports' ? 'port' : key}`;
}
