import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { Test } from 'tap';

const types = { a: 1, aaaa: 28 } as const;

/**
 * A name server on port 53 of an address, until the test ends. It knows the addresses of some names, says of others that there is no
 * such name, and is silent about those without any.
 * @see RFC 1035, section 4
 */
export async function startNameServer(
  t: Test,
  address: string,
  names: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  t.teardown(() => new Promise<void>((resolve) => socket.close(resolve)));
  socket.on('message', (query, { address: from, port }) => {
    const reply = answer(query, names);
    if (reply !== undefined) socket.send(reply, port, from);
  });
  socket.bind(53, address);
  await once(socket, 'listening');
}

function answer(query: Buffer, names: Readonly<Record<string, readonly string[]>>): Buffer | undefined {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = query.readUInt16BE(at + 1);
  const question = query.subarray(12, at + 5);
  const addresses = names[labels.join('.')];
  if (addresses?.length === 0) return undefined;
  const data = (addresses ?? [])
    .filter((address) => isIPv6(address) === (type === types.aaaa))
    .map((address) => (isIPv6(address) ? ipv6Bytes(address) : Buffer.from(address.split('.').map(Number))));
  const records = data.map((bytes) => {
    const head = Buffer.alloc(12);
    head.writeUInt16BE(0xc00c, 0); // the name of the question
    head.writeUInt16BE(type, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt32BE(60, 6);
    head.writeUInt16BE(bytes.length, 10);
    return Buffer.concat([head, bytes]);
  });
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(addresses === undefined ? 0x8183 : 0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, question, ...records]);
}

/** Of an address with one `::`. */
function ipv6Bytes(address: string): Buffer {
  const [head = [], tail = []] = address
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  const groups = [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
