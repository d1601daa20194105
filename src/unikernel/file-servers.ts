import { type MachinePlan, virtiofsShares } from './machine.ts';
import { sandboxPaths } from './sandbox-paths.ts';
import type { SandboxServer } from './sandbox-server.ts';

/** What virtiofsd wants to keep where root starts it. Here root has none of them, and it would end. */
const capabilities = ['chown', 'dac_override', 'fowner', 'fsetid', 'setgid', 'setuid', 'mknod', 'setfcap'];

/**
 * A virtiofsd for each share over virtiofs. The sandbox is the one that confines it: for its own it would need capabilities, and so
 * it would for more files than the container may have open.
 *
 * Its filter of system calls knows none of those that go before giving up capabilities, which root does: then the engine's filter is
 * the only one.
 * Pure: paths are those inside the sandbox.
 * @param uid whose it is inside the sandbox
 * @see virtiofsd 1.14.0 src/main.rs, drop_capabilities(); src/seccomp.rs
 */
export function fileServers(
  machine: Pick<MachinePlan, 'shares' | 'virtiofsd'>,
  uid: number,
): readonly SandboxServer[] {
  const { virtiofsd } = machine;
  if (virtiofsd === undefined) return [];
  const userArgs =
    uid === 0
      ? ['--seccomp=none', `--modcaps=${capabilities.map((name) => `-${name}`).join(':')}`]
      : ['--seccomp=kill'];
  return virtiofsShares(machine).map(({ tag }) => ({
    name: 'virtiofsd',
    command: [
      virtiofsd,
      `--socket-path=${sandboxPaths.shareSocket(tag)}`,
      `--shared-dir=${sandboxPaths.share(tag)}`,
      '--sandbox=none',
      ...userArgs,
      '--inode-file-handles=never',
      '--rlimit-nofile=0',
      '--log-level=error',
    ],
    ready: sandboxPaths.shareSocket(tag),
    errors: sandboxPaths.shareErrors(tag),
  }));
}
