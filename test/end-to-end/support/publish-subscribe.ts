import { readFile } from 'node:fs/promises';
import { composeFile } from './compose.ts';
import { waitFor } from './wait.ts';

const container = (service: string) => `publish-subscribe_${service}_1`;

/** The example of three unikernels: redis, one that publishes there, and one that prints what it gets. */
export const publishSubscribe = {
  file: 'publish-subscribe/unikernel-deploy.yaml',
  hostFile: 'publish-subscribe/unikernel-deploy-host.yaml',
  containers: {
    redis: container('redis-server'),
    publisher: container('publisher'),
    subscriber: container('subscriber'),
  },
} as const;

/**
 * Post the example's payload to the publisher, once that answers.
 * @param address of the host or engine whose port 8080 it has
 * @returns what was published, and the answer
 */
export async function publish(
  address: string,
): Promise<{ readonly payload: Buffer; readonly answer: unknown }> {
  const text = await readFile(composeFile('publish-subscribe/payload.json'), 'utf8');
  // As `curl -d @FILE` sends it: without the ends of lines.
  const payload = Buffer.from(text.replaceAll('\n', ''));
  const answer = await waitFor(
    'the publisher to publish',
    async () => {
      const response = await fetch(`http://${address}:8080/publish`, {
        method: 'POST',
        body: payload,
        headers: { connection: 'close' },
        signal: AbortSignal.timeout(10_000),
      });
      const body = await response.text();
      if (response.status !== 200) throw new Error(`${response.status}: ${body}`);
      return JSON.parse(body) as unknown;
    },
    60,
  );
  return { payload, answer };
}
