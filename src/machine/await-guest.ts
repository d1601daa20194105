import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { qmpReturn } from '../host/qmp.ts';
import { hasAccepted, userStackConnections } from '../unikernel/network/user-connections.ts';
import { qemuNames } from './places.ts';

const retryMs = 100;
const askingMs = 50;
const qmpTimeoutMs = 2000;
/** A packet that came before the guest had a card is sent again only after seconds, so it is better to begin anew, at first soon. */
const connectTimeoutsMs = { first: 300, last: 3000, growth: 1.5 } as const;

/**
 * Wait until a guest behind QEMU's user stack has taken a TCP connection. The stack takes each by itself, and then finds out whether
 * the guest does, so it is asked. Whoever started the machine sets the time.
 * @param run the machine's directory, see places.ts
 */
export async function awaitGuest(
  address: string,
  port: number,
  guestPort: number,
  run: string,
): Promise<void> {
  let timeoutMs: number = connectTimeoutsMs.first;
  while (!(await isTaken(address, port, guestPort, run, timeoutMs))) {
    timeoutMs = Math.min(timeoutMs * connectTimeoutsMs.growth, connectTimeoutsMs.last);
    await delay(retryMs);
  }
}

/** The same for a guest that is a station of its own, whose host has a way to it. */
export async function awaitStation(address: string, port: number): Promise<void> {
  let timeoutMs: number = connectTimeoutsMs.first;
  while (!(await answers(address, port, timeoutMs))) {
    timeoutMs = Math.min(timeoutMs * connectTimeoutsMs.growth, connectTimeoutsMs.last);
    await delay(retryMs);
  }
}

async function answers(address: string, port: number, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host: address, port });
  socket.setTimeout(timeoutMs);
  socket.once('connect', () => resolve(true));
  socket.once('timeout', () => resolve(false));
  socket.once('error', () => resolve(false));
  const isAnswered = await promise;
  socket.destroy();
  return isAnswered;
}

async function isTaken(
  address: string,
  port: number,
  guestPort: number,
  run: string,
  timeoutMs: number,
): Promise<boolean> {
  const socket = connect({ host: address, port });
  let isOpen = true;
  socket.on('error', () => {});
  socket.on('close', () => {
    isOpen = false;
  });
  // What the guest says is not of interest, but that it closes is.
  socket.resume();
  const deadline = performance.now() + timeoutMs;
  try {
    while (isOpen && performance.now() < deadline) {
      const command = { execute: 'human-monitor-command', arguments: { 'command-line': 'info usernet' } };
      const text = await qmpReturn({ root: run, names: ['qemu', qemuNames.qmp] }, command, qmpTimeoutMs);
      if (typeof text === 'string' && hasAccepted(userStackConnections(text), guestPort)) return true;
      await delay(askingMs);
    }
    return false;
  } finally {
    socket.destroy();
  }
}
