import { closeSync, fstatSync } from 'node:fs';
import { connect } from 'node:net';
import { isErrno } from '../base/errno.ts';
import { sandboxPaths } from '../unikernel/sandbox-paths.ts';
import { descend } from './descend.ts';

const maxReplyBytes = 64 * 1024;

/** What is said to QEMU. */
export interface QmpCommand {
  readonly execute: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

/** Where a QEMU listens: a directory that nobody hostile may change, and the names that lead from it to the socket. */
export interface QmpPlace {
  readonly root: string;
  readonly names: readonly string[];
}

/**
 * Say one command to a QEMU and wait until it is done.
 * @param qemu the pid of the sandbox's first process, or where the QEMU of a machine listens
 * @returns whether QEMU did it; false too if there is no QEMU to talk to
 */
export async function qmpCommand(
  qemu: number | QmpPlace,
  command: string,
  timeoutMs: number,
): Promise<boolean> {
  return (await qmpReturn(qemu, { execute: command }, timeoutMs)) !== undefined;
}

/**
 * Say one command to a QEMU and wait for the answer.
 *
 * The socket lies in a directory that a broken-out QEMU may fill, so the way to it is walked without following a link, and
 * what comes back is bounded in size and time. What is in it is whatever that QEMU likes.
 * @param qemu the pid of the sandbox's first process, or where the QEMU of a machine listens
 * @returns what QEMU returned; undefined if it did not do it, or there is no QEMU to talk to
 * @see QEMU docs/interop/qmp-spec.rst
 */
export async function qmpReturn(
  qemu: number | QmpPlace,
  command: QmpCommand,
  timeoutMs: number,
): Promise<unknown> {
  const fd = openQmpSocket(typeof qemu === 'number' ? sandboxPlace(qemu) : qemu);
  if (fd === undefined) return undefined;
  try {
    return await converse(`/proc/self/fd/${fd}`, command, timeoutMs);
  } finally {
    closeSync(fd);
  }
}

function sandboxPlace(pid: number): QmpPlace {
  return { root: `/proc/${pid}/root`, names: sandboxPaths.qmp.split('/').slice(1) };
}

function openQmpSocket({ root, names }: QmpPlace): number | undefined {
  try {
    const fd = descend(root, names, 0);
    if (fstatSync(fd).isSocket()) return fd;
    closeSync(fd);
    return undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ESRCH')) return undefined;
    throw error;
  }
}

function converse(socketPath: string, command: QmpCommand, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const finish = (returned?: unknown) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(returned);
    };
    const timer = setTimeout(finish, timeoutMs);
    let received = '';
    let returns = 0;
    socket.setEncoding('utf8');
    socket.on('error', () => finish());
    socket.on('close', () => finish());
    socket.on('connect', () => {
      socket.write('{"execute":"qmp_capabilities"}\n');
      socket.write(`${JSON.stringify(command)}\n`);
    });
    socket.on('data', (text: string) => {
      received += text;
      if (received.length > maxReplyBytes) return finish();
      const lines = received.split('\n');
      received = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('{"error"')) return finish();
        if (line.startsWith('{"return"') && ++returns === 2) return finish(returnedIn(line));
      }
    });
  });
}

function returnedIn(line: string): unknown {
  try {
    return (JSON.parse(line) as { readonly return: unknown }).return;
  } catch {
    return undefined;
  }
}
