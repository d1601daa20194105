import { connect } from 'node:net';
import { assertNever } from '../base/assert-never.ts';
import { probeProgram } from '../unikernel/health-probe.ts';
import type { ProbeOrder } from '../unikernel/probe-order.ts';
import { hasAccepted, userStackConnections } from '../unikernel/user-stack.ts';
import { qmpReturn } from './qmp.ts';

/** How a probe ended, in one line for the health log. */
export interface ProbeResult {
  readonly status: number;
  readonly line: string;
}

/** Time for QEMU to take a connection that the kernel has taken for it, before QEMU is asked about it. */
const askingIntervalMs = 50;

/** Do what a probe's order says. Ends by itself, whatever the guest does. */
export async function carryOut(order: ProbeOrder): Promise<ProbeResult> {
  switch (order.kind) {
    case 'say':
      return { status: order.status, line: order.line };
    case 'tcp':
      return await probeTcp(order);
    case 'http':
      return await probeHttp(order);
    default:
      return assertNever(order);
  }
}

function probeTcp(order: Extract<ProbeOrder, { kind: 'tcp' }>): Promise<ProbeResult> {
  const { address, port, behindUserStack, timeoutMs } = order;
  return new Promise((resolve) => {
    const what = `tcp port ${behindUserStack?.guestPort ?? port}`;
    const socket = connect({ host: address, port });
    let isOver = false;
    const finish = (status: number, ending: string) => {
      isOver = true;
      clearTimeout(timer);
      socket.destroy();
      resolve({ status, line: `${probeProgram}: ${what} ${ending}` });
    };
    const timer = setTimeout(finish, timeoutMs, 1, `was not opened in ${timeoutMs} ms`);
    socket.on('error', (error: NodeJS.ErrnoException) => finish(1, wordsFor(error)));
    socket.on('close', () => {
      if (!isOver) finish(1, 'is closed: the guest refused the connection');
    });
    socket.on('connect', () => {
      if (behindUserStack === undefined) return finish(0, 'is open');
      socket.resume();
      const { pid, guestPort } = behindUserStack;
      const ask = async () => {
        if (isOver) return;
        const text = await qmpReturn(pid, askForConnections, askingIntervalMs * 10);
        if (isOver) return;
        if (typeof text === 'string' && hasAccepted(userStackConnections(text), guestPort))
          return finish(0, 'is open');
        setTimeout(ask, askingIntervalMs);
      };
      setTimeout(ask, askingIntervalMs);
    });
  });
}

const askForConnections = {
  execute: 'human-monitor-command',
  arguments: { 'command-line': 'info usernet' },
} as const;

/** Any answer from 200 to 399 is healthy, as an HTTP probe of Kubernetes has it; nothing is followed, and no body is read. */
async function probeHttp(order: Extract<ProbeOrder, { kind: 'http' }>): Promise<ProbeResult> {
  const { request } = await import('node:http');
  const { address, port, host, path, timeoutMs } = order;
  const what = `GET http://${host}${path}`;
  return await new Promise((resolve) => {
    const asked = request({
      host: address,
      port,
      path,
      agent: false,
      headers: { host, 'user-agent': 'ucrun-probe', connection: 'close' },
    });
    let isOver = false;
    const finish = (status: number, ending: string) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      asked.destroy();
      resolve({ status, line: `${probeProgram}: ${what} ${ending}` });
    };
    const timer = setTimeout(finish, timeoutMs, 1, `was not answered in ${timeoutMs} ms`);
    asked.on('error', (error: NodeJS.ErrnoException) => finish(1, wordsFor(error)));
    asked.on('response', ({ statusCode = 0 }) =>
      finish(statusCode >= 200 && statusCode < 400 ? 0 : 1, `answers ${statusCode}`),
    );
    asked.end();
  });
}

/** What a system call's failure means, in words of ours. */
function wordsFor({ code = '' }: NodeJS.ErrnoException): string {
  if (code === 'ECONNREFUSED') return 'is closed: the connection was refused';
  if (code === 'ECONNRESET' || code === 'EPIPE')
    return 'is closed: the connection was cut off without an answer';
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH')
    return `cannot be reached: the guest has not answered (${code})`;
  if (code.startsWith('HPE_')) return 'does not speak HTTP';
  return `failed with ${code}`;
}
