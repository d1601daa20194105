import type { GuestNetwork } from '../network-plan.ts';

export const guestKinds = ['raw', 'linux'] as const;
export type GuestKind = (typeof guestKinds)[number];

/** What a guest's command line is made of. All of it may come from an image or a user: nothing is trusted. */
export interface GuestInput {
  /** The command line, or its template, as the unikernel's definition has it. */
  readonly cmdline: string;
  /** Arguments for the program in the guest. */
  readonly args: readonly string[];
  /** `K=V`, only what the image or the user set. */
  readonly env: readonly string[];
  readonly hostname: string | undefined;
  /** undefined: the guest has no network card. */
  readonly network: GuestNetwork | undefined;
  /** The first port that the guest is to serve. */
  readonly port: number | undefined;
}

/** What ucrun has to know of a guest type. Pure; a new type does not compile until the table has it. */
export interface GuestSupport {
  /** Whether such a guest usually ends by itself when its power button is pressed. */
  readonly powerButton: boolean;
  /** The whole text for QEMU's `-append`. @throws RuntimeError GUEST_UNSUPPORTED for what cannot be said to this guest */
  commandLine(input: GuestInput): string;
}
