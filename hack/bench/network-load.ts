import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fail } from './run.ts';

/** What serves: hello itself, or busybox httpd, which runs in a Linux guest as in a container. */
export type Server = 'hello' | 'httpd';

type Key = 'rate' | 'latency' | 'slowest' | 'into' | 'out';

export interface Metric {
  readonly key: Key;
  readonly name: string;
  readonly unit: string;
  /** @param address host and port. @returns what it could measure */
  readonly measure: (address: string) => Promise<Values>;
}

type Values = Readonly<Partial<Record<Key, number>>>;

/** How many bytes go into and out of a guest at once. */
export const bulkBytes = 32 * 1024 * 1024;
export const port = 8080;

const oneByOne = (address: string) => requests(address, 1, 1);
const manyAtOnce = (address: string) => requests(address, 8, 2);

/** What is measured of a server, in this order. */
export function metricsOf(server: Server): readonly Metric[] {
  const http = [
    { key: 'latency', name: `${server}: HTTP, one request at a time, median`, unit: 'ms', measure: oneByOne },
    { key: 'rate', name: `${server}: HTTP, 8 at a time`, unit: 'requests/s', measure: manyAtOnce },
    {
      key: 'slowest',
      name: `${server}: HTTP, 8 at a time, 99 of 100 within`,
      unit: 'ms',
      measure: manyAtOnce,
    },
  ] as const;
  if (server === 'hello') return http;
  const bulk = [
    { key: 'into', name: 'httpd: 32 MiB into it, one connection', unit: 'MB/s', measure: upload },
    { key: 'out', name: 'httpd: 32 MiB out of it, one connection', unit: 'MB/s', measure: download },
  ] as const;
  return [...http, ...bulk];
}

/** Each request has a connection of its own, as neither server keeps them. */
async function requests(address: string, connections: number, seconds: number): Promise<Values> {
  const text = await run('wrk', [
    ...['--threads', '1', '--connections', `${connections}`, '--duration', `${seconds}s`, '--latency'],
    `http://${address}/`,
  ]);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
  if (!(rate > 0)) return {};
  const latency = milliseconds(/^\s+50%\s+(\S+)/m.exec(text)?.[1]);
  const slowest = milliseconds(/^\s+99%\s+(\S+)/m.exec(text)?.[1]);
  return { rate, latency, slowest };
}

/** wrk writes 82.00us, 1.27ms or 1.43s. */
function milliseconds(text = ''): number {
  const [, value, unit = ''] = /^([\d.]+)(us|ms|s)$/.exec(text) ?? fail(`wrk wrote a time as "${text}"`);
  return Number(value) * ({ us: 0.001, ms: 1, s: 1000 }[unit] ?? Number.NaN);
}

async function upload(address: string): Promise<Values> {
  const shown = await run('sh', [
    '-c',
    `head -c ${bulkBytes} /dev/zero | curl --silent --max-time 60 --header Expect: --write-out '\\n%{speed_upload}' \
      --data-binary @- http://${address}/cgi-bin/sink`,
  ]);
  const [count, speed] = shown.trim().split(/\s+/).map(Number);
  return count === bulkBytes && speed !== undefined ? { into: speed / 1e6 } : {};
}

async function download(address: string): Promise<Values> {
  const args = ['--silent', '--max-time', '60', '--output', '/dev/null'];
  const shown = await run('curl', [
    ...args,
    '--write-out',
    '%{size_download} %{speed_download}',
    `http://${address}/big`,
  ]);
  const [count, speed] = shown.trim().split(/\s+/).map(Number);
  return count === bulkBytes && speed !== undefined ? { out: speed / 1e6 } : {};
}

/** What a program prints, whether it succeeds or not. */
async function run(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  await once(child, 'close');
  return text;
}
