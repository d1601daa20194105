import type { Traces } from '../leftovers.ts';
import type { PromiseName } from './promises.ts';

/** What to run. */
export interface Wanted {
  readonly image: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Words after the image's own program; for a plain container the whole command. */
  readonly args?: readonly string[];
  readonly isPlain?: boolean;
  /** A port of the container's that is reached at the engine's address, at the same number. */
  readonly port?: number;
}

/** One engine's way to do what the table promises. */
export interface Column {
  /** What the engine refuses, with its error. The table has the reason. */
  readonly refuses?: Partial<Readonly<Record<PromiseName, RegExp>>>;
  /** Wait for the first answer on a published port. */
  answer(port: number): Promise<string>;
  /** Start a container in the background. */
  start(name: string, wanted: Wanted): Promise<TableContainer>;
  /** End the engine. */
  stop(): Promise<void>;
}

/**
 * The memory that a container uses, or, where the host's cgroups do not count that, its processors' time, with that of its QEMU alone a moment
 * before.
 */
export type Usage =
  | { readonly bytes: number }
  | { readonly cpuSeconds: number; readonly monitorSeconds: number };

export interface TableContainer {
  readonly traces: Traces;
  /** The process that runs the guest. @throws Error if there is none (yet) */
  monitor(): Promise<number>;
  /** What it has printed. */
  log(): Promise<string>;
  /** What the engine shows of its use of the host. */
  usage(): Promise<Usage>;
  /** Stop it as the engine does. */
  stop(): Promise<void>;
  /** Wait for its end. @returns its exit code */
  exitCode(): Promise<number>;
  /** Remove it, running or not. */
  remove(): Promise<void>;
}
