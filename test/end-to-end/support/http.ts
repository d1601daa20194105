import { waitFor } from './wait.ts';

/** The body of an answer to GET. @throws Error if there is none in time, or it is not 200 */
export async function get(url: string, timeoutSeconds = 30): Promise<string> {
  const signal = AbortSignal.timeout(timeoutSeconds * 1000);
  const response = await fetch(url, { signal, headers: { connection: 'close' } });
  const body = await response.text();
  if (response.status !== 200) throw new Error(`${url} answers ${response.status}: ${body}`);
  return body;
}

/** The first answer of a server that may not be up yet. */
export function firstAnswer(url: string): Promise<string> {
  return waitFor(`an answer from ${url}`, () => get(url, 5), 90);
}
