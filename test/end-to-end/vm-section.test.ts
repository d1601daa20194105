/** A machine in the specification's own section for them: host paths, where the administrator allows them. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { makeBundle } from './support/bundle.ts';
import { run } from './support/command.ts';
import { registry, scratch, ucrun } from './support/environment.ts';

const folder = join(scratch, 'vm-section');
const allowed = join(folder, 'allowed');
const kernel = join(allowed, 'kernel.elf');

t.before(async () => {
  await mkdir(allowed, { recursive: true });
  await copyFile(join(registry, 'hello/hello.elf'), kernel);
  await writeFile(join(folder, 'config.toml'), `vm_directories = [${JSON.stringify(allowed)}]\n`);
});

const runBundle = (bundle: string, env: Readonly<Record<string, string>> = {}) =>
  run(ucrun, ['run', '--bundle', bundle, 'vm-section'], { env });

t.test('a kernel of the vm section runs where its directory is allowed, and only there', async (t) => {
  const bundle = join(folder, 'bundle');
  await makeBundle(bundle, (spec) => {
    const vm = {
      kernel: { path: kernel, parameters: ['exit=9', 'name=vm'] },
      hwConfig: { vcpus: 1, memory: 32 * 1024 * 1024 },
    };
    Object.assign(spec, { vm });
  });
  const ended = await runBundle(bundle, { UCRUN_CONFIG: join(folder, 'config.toml') });
  t.match(ended, { status: 9, stdout: /^hello: command line: exit=9 name=vm$/m, stderr: '' });
  const refused = await runBundle(bundle);
  t.match(refused, {
    status: 1,
    stdout: '',
    stderr: /is not in an allowed directory\nhint: .*vm_directories/,
  });
});
