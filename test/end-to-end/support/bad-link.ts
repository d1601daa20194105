import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Test } from 'tap';
import { type BareCard, startQemu } from './bare-hello.ts';

export interface BadLink {
  /** For the guest's card. */
  readonly netdev: BareCard['netdev'];
  /** How many frames have passed, or not. */
  readonly frames: () => number;
}

/**
 * A link between a tap and a guest's card over which each frame passes by a function: it says what arrives in the frame's place, and after
 * how many milliseconds. QEMU brings the frames here as UDP datagrams: the guest's own, and another one, without a machine, from the tap.
 */
export async function startBadLink(
  t: Test,
  tap: BareCard['netdev'],
  pass: (frame: Buffer, to: 'guest' | 'tap') => readonly (readonly [frame: Buffer, delayMs: number])[],
): Promise<BadLink> {
  const [guestSide, tapSide] = [await openSocket(t), await openSocket(t)];
  const [guestPort, tapPort] = [await freePort(), await freePort()];
  let frames = 0;
  const forward = (from: Socket, to: Socket, port: number, side: 'guest' | 'tap') =>
    from.on('message', (frame) => {
      frames++;
      for (const [passed, delayMs] of pass(frame, side)) {
        const send = () => to.send(passed, port, '127.0.0.1', () => undefined);
        if (delayMs === 0) send();
        else setTimeout(send, delayMs);
      }
    });
  forward(guestSide, tapSide, tapPort, 'tap');
  forward(tapSide, guestSide, guestPort, 'guest');
  const netdev = (own: Socket, port: number) =>
    `socket,udp=127.0.0.1:${own.address().port},localaddr=127.0.0.1:${port}`;
  startQemu(t, [
    '-machine',
    'none',
    ...['-netdev', tap.replace(',', ',id=tap,')],
    ...['-netdev', 'hubport,id=left,hubid=0,netdev=tap'],
    ...['-netdev', netdev(tapSide, tapPort).replace(',', ',id=relay,')],
    ...['-netdev', 'hubport,id=right,hubid=0,netdev=relay'],
  ]);
  return { netdev: netdev(guestSide, guestPort), frames: () => frames };
}

async function openSocket(t: Test): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  t.teardown(() => new Promise<void>((resolve) => socket.close(resolve)));
  socket.on('error', () => undefined); // QEMU may not be there yet, or no more
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}
