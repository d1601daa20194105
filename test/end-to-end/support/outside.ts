import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { output } from './command.ts';

/** A server that is in no container. */
export interface Outside {
  readonly port: number;
  stop(): Promise<void>;
}

/** The addresses of {@link serveOutside}; the documentation has them, so no network of a test's does. */
export const outsideAddress = { ipv4: '192.0.2.1', ipv6: '2001:db8::1' } as const;

/**
 * Answer HTTP on all addresses of the test's own network, at a port of the server's own: `/bytes/N` with N bytes, `/address` with who
 * asks, a POST to `/sum` with the number of bytes and their SHA-256.
 */
export async function serveOutside(): Promise<Outside> {
  for (const address of [`${outsideAddress.ipv4}/32`, `${outsideAddress.ipv6}/128`])
    await output('ip', ['address', 'replace', address, 'dev', 'lo']);
  const server = createServer(async (request, response) => {
    const bytes = /^\/bytes\/(\d+)$/.exec(request.url ?? '')?.[1];
    if (bytes !== undefined) {
      response.end(sampleBytes(Number(bytes)));
    } else if (request.url === '/address') {
      response.end(`${request.socket.remoteAddress}\n`);
    } else if (request.url === '/sum') {
      const hash = createHash('sha256');
      let count = 0;
      for await (const chunk of request) {
        hash.update(chunk);
        count += chunk.length;
      }
      response.end(`${count} ${hash.digest('hex')}\n`);
    } else {
      response.statusCode = 404;
      response.end();
    }
  });
  server.listen(0, '::');
  await once(server, 'listening');
  // A test file ends, and its clean-up begins, when nothing keeps it busy.
  server.unref();
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Bytes among which none that is lost, doubled or moved goes unnoticed. */
export function sampleBytes(count: number): Buffer {
  const bytes = Buffer.alloc(count);
  let state = 0x2545f491;
  for (let index = 0; index < count; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // No zero: what takes a file for a text would end there.
    bytes[index] = state >>> 24 || 1;
  }
  return bytes;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
