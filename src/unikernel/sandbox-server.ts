/** A process that serves the guest beside QEMU in the sandbox: it has to be there before QEMU, and as long as it. */
export interface SandboxServer {
  readonly name: 'virtiofsd' | 'passt';
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** A socket, or a file that is not empty, which is there once the server is ready for QEMU. */
  readonly ready: string;
  /** The file with what it had to say. */
  readonly errors: string;
}
