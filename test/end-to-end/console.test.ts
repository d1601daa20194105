/** All that a guest prints arrives, however slow whoever reads its console, and however soon after it the guest ends. */
import { join } from 'node:path';
import t from 'tap';
import { makeBundle } from './support/bundle.ts';
import { quote, run } from './support/command.ts';
import { scratch, ucrun } from './support/environment.ts';
import { nothingLeft } from './support/leftovers.ts';

/** More than a pipe holds, so that the guest's last lines are still its own when its program has ended. */
const count = 18_000;
const printed = Array.from({ length: count }, (_, index) => `${index + 1}\n`).join('');

/** Reads 40 KB in a second at most. */
const slowly = (folder: string) =>
  `while dd bs=4096 count=1 of=${folder}/piece 2>/dev/null && [ -s ${folder}/piece ]; do cat ${folder}/piece; sleep 0.1; done`;

t.test("a container's, whose reader is slow and whose input has ended", async (t) => {
  const bundle = join(scratch, 'console-bundle');
  const id = 'console-slow';
  await makeBundle(bundle, (spec) => {
    spec.process.env = ['SERVICE_NAME=linux'];
    spec.process.args = ['tracker', 'seq', String(count)];
  });
  // Its input is over before it begins, as that of a container with `-i` may be.
  const line = `true | ${quote(ucrun)} run --bundle ${bundle} ${id} | { ${slowly(bundle)}; }`;
  const { stdout, stderr } = await run('sh', ['-c', line], { timeoutSeconds: 150 });
  t.equal(stderr, '');
  t.equal(stdout.length, printed.length);
  t.equal(stdout.slice(-2000), printed.slice(-2000));
  await nothingLeft({ id, networkNamespace: undefined });
});

t.test("a machine's, in its log and where it is run", async (t) => {
  const name = 'console';
  const machine = (...args: readonly string[]) => run(ucrun, ['machine', ...args], { timeoutSeconds: 150 });
  t.teardown(() => machine('rm', '--force', name));
  const { status, stdout } = await machine(
    ...['run', '--name', name, '--network', 'none', 'linux', '--', 'seq', String(count)],
  );
  t.equal(status, 0);
  t.equal(stdout.length, printed.length);
  t.equal(stdout.slice(-2000), printed.slice(-2000));
  t.equal((await machine('logs', name)).stdout.length, printed.length);
});
