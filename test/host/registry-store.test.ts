import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkFree, openStaging, removeEntry, writableRegistry } from '../../src/host/registry-store.ts';

const source = join(import.meta.dirname, '../../src/host/registry-store.ts');

t.test('a staged unikernel is there as a whole, or not at all', async (t) => {
  const registry = join(t.testdir(), 'new/registry');
  t.equal(writableRegistry([registry, '/second']), registry);
  const staging = openStaging(registry);
  writeFileSync(join(staging.entry, 'unikernel.json'), '{}');
  writeFileSync(join(staging.scratch, 'x'), '');
  t.strictSame(
    readdirSync(registry).map((name) => name[0]),
    ['.'],
  );
  checkFree(registry, 'hello');
  staging.commit('hello', false);
  staging.discard();
  t.strictSame(readdirSync(registry), ['hello']);
  t.strictSame(readdirSync(join(registry, 'hello')), ['unikernel.json']);
  t.equal(statSync(join(registry, 'hello')).mode & 0o777, 0o755);
  t.throws(() => checkFree(registry, 'hello'), { code: 'UNIKERNEL_EXISTS' });

  const given = openStaging(registry);
  given.discard();
  t.strictSame(readdirSync(registry), ['hello'], 'one that is given up leaves nothing');
  removeEntry(join(registry, 'hello'));
  t.strictSame(readdirSync(registry), []);
});

t.test('of two that want the same name one gets it', async (t) => {
  const registry = t.testdir();
  const [first, second] = [openStaging(registry), openStaging(registry)];
  for (const [staging, text] of [
    [first, 'first'],
    [second, 'second'],
  ] as const)
    writeFileSync(join(staging.entry, 'unikernel.json'), text);
  first.commit('x', false);
  t.throws(() => second.commit('x', false), { code: 'UNIKERNEL_EXISTS', hint: /--replace/ });
  t.equal(readFileSync(join(registry, 'x/unikernel.json'), 'utf8'), 'first');
  second.commit('x', true);
  t.equal(readFileSync(join(registry, 'x/unikernel.json'), 'utf8'), 'second');
  first.discard();
  second.discard();
  t.strictSame(readdirSync(registry), ['x']);
});

t.test('what a command that was killed has left goes with the next one, what others do stays', async (t) => {
  const registry = t.testdir();
  const script = `import { openStaging } from '${source}';
    openStaging(process.argv[1]); console.log('staged'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, registry], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const [ofChild = ''] = readdirSync(registry);
  t.match(ofChild, /^\.new-/);
  openStaging(registry).discard();
  t.strictSame(readdirSync(registry), [ofChild], 'it is at work');
  child.kill('SIGKILL');
  await once(child, 'close');
  t.strictSame(readdirSync(registry), [ofChild]);
  openStaging(registry).discard();
  t.strictSame(readdirSync(registry), []);
});

t.test('of processes that cannot be seen only old remains go', async (t) => {
  const registry = t.testdir();
  const [young, old, other] = ['.new-7-1-1-0', '.old-7-1-2-0', '.git'].map((name) => join(registry, name));
  for (const path of [young, old, other]) mkdirSync(path as string);
  utimesSync(old as string, new Date(0), new Date(0));
  openStaging(registry).discard();
  t.strictSame(
    [young, old, other].map((path) => existsSync(path as string)),
    [true, false, true],
  );
});

t.test('writableRegistry() says what to do where it is not', async (t) => {
  t.throws(() => writableRegistry([]), { code: 'HOST_FAILED', hint: /"registries"/ });
  const folder = t.testdir({ file: '' });
  for (const path of ['file', 'file/registry'])
    t.throws(() => writableRegistry([join(folder, path)]), {
      code: 'HOST_FAILED',
      message: `cannot write to the registry ${folder}/${path}`,
      hint: /as root, or put a directory of your own first/,
    });
});
