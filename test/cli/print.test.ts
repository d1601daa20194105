import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';

const module = join(import.meta.dirname, '../../src/cli/print.ts');

/** A process that prints by the module. To look at `process.stdout` is what makes Node's pipes ones that do not block. */
function printing(script: string) {
  const program = `import { isBrokenPipe, print } from '${module}'; void process.stdout.isTTY; ${script}`;
  return spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

t.test('print() loses nothing of what a pipe has no room for', async (t) => {
  const child = printing("print('a' + 'ü'.repeat(500_000)); print('z\\n'); process.stderr.write('done')");
  const ended = once(child, 'close');
  const text = Buffer.concat(await child.stdout.toArray()).toString();
  t.ok(text === `a${'ü'.repeat(500_000)}z\n`, `${text.length} characters`);
  t.equal(Buffer.concat(await child.stderr.toArray()).toString(), 'done');
  t.strictSame(await ended, [0, null]);
});

t.test('print() says that nobody reads', async (t) => {
  const child = printing(
    "try { for (;;) print('x'.repeat(500_000)); } catch (error) { print(String(isBrokenPipe(error)), 2); }",
  );
  const said = child.stderr.toArray();
  child.stdout.destroy();
  t.equal(Buffer.concat(await said).toString(), 'true');
});
