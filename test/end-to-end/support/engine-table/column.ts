import type { Traces } from '../leftovers.ts';
import type { TableEngine } from './promises.ts';

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
  readonly engine: TableEngine;
  /** Where published ports are. */
  readonly address: string;
  /** Start a container in the background. */
  start(name: string, wanted: Wanted): Promise<TableContainer>;
  /** End the engine. */
  stop(): Promise<void>;
}

export interface TableContainer {
  /** Its whole id, which its cgroup's name has in it. */
  readonly id: string;
  readonly traces: Traces;
  /** What it has printed. */
  log(): Promise<string>;
  /** The memory that it uses, in bytes, as the engine shows it. */
  memory(): Promise<number>;
  /** Stop it as the engine does. */
  stop(): Promise<void>;
  /** Wait for its end. @returns its exit code */
  exitCode(): Promise<number>;
  /** Remove it, running or not. */
  remove(): Promise<void>;
}
