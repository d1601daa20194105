import { statSync } from 'node:fs';
import { isErrno } from '../base/errno.ts';
import { RuntimeError } from '../base/runtime-error.ts';
import { bridgeBatch, removalBatch } from '../unikernel/network/bridge-batches.ts';
import { type Bridge, bridgesCommand, parseBridges } from '../unikernel/network/bridges.ts';
import { type Neighbour, neighboursCommand, parseNeighbours } from '../unikernel/network/neighbours.ts';
import type { TapPlan } from '../unikernel/network/types.ts';
import { readTextIfThere } from './files.ts';
import { networkToolPath } from './network-namespace.ts';
import { type Finished, runProgram } from './processes.ts';

const tun = '/dev/net/tun';

/** The bridges of the network namespace that this runs in. @throws RuntimeError HOST_FAILED, TOOL_MISSING */
export function readBridges(): readonly Bridge[] {
  return parseBridges(succeeded(ip(bridgesCommand), "read the host's bridges").stdout);
}

/** The stations that the network namespace that this runs in has heard of. @throws RuntimeError HOST_FAILED, TOOL_MISSING */
export function readNeighbours(): readonly Neighbour[] {
  return parseNeighbours(succeeded(ip(neighboursCommand), "read the host's neighbours").stdout);
}

/**
 * Make taps, each as a port of its bridge. What a failure leaves is removed again.
 * @param owner see bridgeBatch()
 * @throws RuntimeError HOST_FAILED, and NETWORK_UNSUPPORTED where QEMU could not open them
 */
export function makeBridgePorts(plan: TapPlan, ownerUid: number, owner: string): void {
  requireTun();
  const pairs = plan.taps.map(({ tap, link }) => `tap "${tap}" to "${link}"`).join(', ');
  const finished = ip(['-batch', '-'], bridgeBatch(plan, ownerUid, owner));
  if (finished.status === 0) return;
  removeLinks(plan.taps.map(({ tap }) => tap));
  succeeded(finished, `join ${pairs}`);
}

/** Remove interfaces. That some of them are gone already is no error. */
export function removeLinks(names: readonly string[]): void {
  // A line that fails must not keep the others from being tried.
  if (names.length > 0) ip(['-force', '-batch', '-'], removalBatch(names));
}

/** The names of all interfaces. @see proc_net(5) */
export function linkNames(): readonly string[] {
  const text = readTextIfThere('/proc/net/dev') ?? '';
  return [...text.matchAll(/^ *([^\s:|]+):/gm)].map(([, name = '']) => name);
}

/** QEMU opens it as a user of its own, whom only everybody's rights are for. */
function requireTun(): void {
  const stat = statSync(tun, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new RuntimeError(
      'NETWORK_UNSUPPORTED',
      `the host has no ${tun}, which a machine on a bridge needs`,
      {
        hint: 'load the kernel module tun: modprobe tun',
      },
    );
  }
  if ((stat.mode & 0o006) !== 0o006) {
    throw new RuntimeError('NETWORK_UNSUPPORTED', `${tun} is not everybody's to open, and so not QEMU's`, {
      hint: `make it as udev does, which is harmless: chmod 0666 ${tun}`,
    });
  }
}

function succeeded(finished: Finished, action: string): Finished {
  if (finished.status === 0) return finished;
  throw new RuntimeError('HOST_FAILED', `cannot ${action}: ip(8) failed`, {
    cause: new Error(finished.stderr.trim()),
    hint: `ip says: ${finished.stderr.trim().split('\n')[0] ?? ''}`,
  });
}

/** @throws RuntimeError TOOL_MISSING */
function ip(args: readonly string[], input = ''): Finished {
  try {
    return runProgram('ip', args, { env: { PATH: networkToolPath }, input });
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT')) throw cause;
    throw new RuntimeError('TOOL_MISSING', `ip(8) is missing: looked in ${networkToolPath}`, {
      cause,
      hint: 'install the package iproute2',
    });
  }
}
