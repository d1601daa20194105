import { join } from 'node:path';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

/** A call of the interface: runtime.proto, in this folder, says what each takes and gives. */
export type Call = (method: string, request?: object) => Promise<Answer>;

/** An answer's fields, by their names in runtime.proto: numbers and enumerations' names as they are, 64-bit numbers as text. */
// biome-ignore lint/suspicious/noExplicitAny: the messages have types in runtime.proto only
export type Answer = any;

/** Calls to Kubernetes' Container Runtime Interface. */
export interface CriClient {
  readonly runtime: Call;
  readonly image: Call;
  close(): void;
}

/** Connect to an endpoint of the interface. @param socket the path of its socket */
export function connectCri(socket: string): CriClient {
  const definition = loader.loadSync(join(import.meta.dirname, 'runtime.proto'), {
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
  });
  // biome-ignore lint/suspicious/noExplicitAny: made of a file at run time
  const { v1 } = grpc.loadPackageDefinition(definition).runtime as any;
  const credentials = grpc.credentials.createInsecure();
  const clients = [v1.RuntimeService, v1.ImageService].map(
    (Service) => new Service(`unix://${socket}`, credentials),
  );
  const callOf =
    (client: grpc.Client & Record<string, (...args: unknown[]) => unknown>): Call =>
    (method, request = {}) =>
      new Promise((resolve, reject) => {
        const deadline = Date.now() + 120_000;
        const call = client[method];
        if (call === undefined) throw new Error(`runtime.proto has no ${method}`);
        call.call(client, request, { deadline }, (error: Error | null, answer: unknown) => {
          if (error === null) resolve(answer);
          else reject(new Error(`${method}: ${error.message}`, { cause: error }));
        });
      });
  const [runtime, image] = clients;
  return {
    runtime: callOf(runtime),
    image: callOf(image),
    close() {
      for (const client of clients) client.close();
    },
  };
}
