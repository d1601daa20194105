/** Every unikernel of compose-examples says its runtime, so that docker and newer podman-composes need no arguments. */
import { globSync, readFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';

interface Service {
  readonly runtime?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

for (const path of globSync('compose-examples/**/*.yaml')) {
  t.test(path, async (t) => {
    const { services } = parse(readFileSync(path, 'utf8')) as {
      readonly services: Readonly<Record<string, Service>>;
    };
    const unikernels = Object.entries(services).filter(([, { environment }]) => environment?.SERVICE_NAME);
    t.ok(unikernels.length > 0);
    for (const [name, { runtime }] of unikernels) t.equal(runtime, 'ucrun', name);
  });
}
