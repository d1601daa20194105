import { request } from 'node:http';
import { connect } from 'node:net';
import { probeProgram } from '../unikernel/health-probe.ts';
import { hasAccepted, userStackConnections } from '../unikernel/network/user-connections.ts';
import type { GuestProbe, HttpProbe, ProbeOrder, SandboxInit, TcpProbe } from '../unikernel/probe-order.ts';
import { processStartTime } from './processes.ts';
import { qmpReturn } from './qmp.ts';

/** How a probe ended, in one line for the health log. */
export interface ProbeResult {
  readonly status: number;
  readonly line: string;
}

/** Time for QEMU to take a connection that the kernel has taken for it, before QEMU is asked about it. */
const askingIntervalMs = 50;
const qmpTimeoutMs = 500;
/** Time for a guest to refuse what passt has passed on. */
const refusalMs = 1000;

const watchIntervalMs = 250;

/** Do what a probe's order says. Ends by itself, whatever the guest does, and when the container ends. */
export async function carryOut(order: ProbeOrder): Promise<ProbeResult> {
  return order.kind === 'say' ? order : await ask(order);
}

function ask(probe: GuestProbe): Promise<ProbeResult> {
  const { promise, resolve } = Promise.withResolvers<ProbeResult>();
  const subject =
    probe.kind === 'tcp'
      ? `tcp port ${probe.guestPort}`
      : `GET http://localhost:${probe.guestPort}${probe.path}`;
  let isOver = false;
  let stop = () => {};
  const finish: Finish = (status, ending) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    clearInterval(watch);
    stop();
    resolve({ status, line: `${probeProgram}: ${subject} ${ending}` });
  };
  const timer = setTimeout(finish, probe.timeoutMs, 1, `has not answered in ${probe.timeoutMs} ms`);
  const watch = setInterval(() => {
    if (!isRunning(probe.init)) finish(1, 'cannot be asked: the container has ended');
  }, watchIntervalMs);
  stop = probe.kind === 'tcp' ? connectTo(probe, finish) : getFrom(probe, finish);
  return promise;
}

/** Called once for the probe's end; what comes later counts no more. */
type Finish = (status: 0 | 1, ending: string) => void;

function isRunning({ pid, startTime }: SandboxInit): boolean {
  return processStartTime(pid) === startTime;
}

/** @returns how to stop */
function connectTo(
  { address, port, guestPort, timeoutMs, behind, init }: TcpProbe,
  finish: Finish,
): () => void {
  const socket = connect({ host: address, port });
  let timer: NodeJS.Timeout | undefined;
  const askQemu = async () => {
    const text = await qmpReturn(init.pid, askForConnections, qmpTimeoutMs);
    if (typeof text === 'string' && hasAccepted(userStackConnections(text), guestPort)) finish(0, 'is open');
    else if (!socket.destroyed) timer = setTimeout(askQemu, askingIntervalMs);
  };
  socket.on('error', (error: NodeJS.ErrnoException) => finish(1, wordsFor(error)));
  socket.on('close', () => finish(1, 'is closed: the guest refused the connection'));
  socket.on('connect', () => {
    if (behind === undefined) return finish(0, 'is open');
    socket.resume();
    timer =
      behind === 'user'
        ? setTimeout(askQemu, askingIntervalMs)
        : setTimeout(finish, Math.min(refusalMs, timeoutMs / 2), 0, 'is open');
  });
  return () => {
    clearTimeout(timer);
    socket.destroy();
  };
}

const askForConnections = {
  execute: 'human-monitor-command',
  arguments: { 'command-line': 'info usernet' },
} as const;

/**
 * Any answer from 200 to 399 is healthy, as an HTTP probe of Kubernetes has it; nothing is followed, and no body is read.
 * @returns how to stop
 */
function getFrom({ address, port, guestPort, path }: HttpProbe, finish: Finish): () => void {
  const asked = request({
    host: address,
    port,
    path,
    agent: false,
    headers: { host: `localhost:${guestPort}`, 'user-agent': probeProgram, connection: 'close' },
  });
  asked.on('error', (error: NodeJS.ErrnoException) => finish(1, wordsFor(error)));
  asked.on('response', ({ statusCode = 0 }) =>
    finish(statusCode >= 200 && statusCode < 400 ? 0 : 1, `answers ${statusCode}`),
  );
  asked.end();
  return () => asked.destroy();
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
