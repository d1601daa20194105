/** The look for what containers leave behind, which most tests end with while others run beside them. */
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { output } from './support/command.ts';
import { scratch } from './support/environment.ts';

t.test('it neither waits for a pipe nor empties it', async (t) => {
  const stateRoot = join(scratch, 'leftovers');
  const folder = join(stateRoot, 'machines/other');
  await mkdir(folder, { recursive: true });
  await output('mkfifo', [join(folder, 'events')]);
  await writeFile(join(folder, 'state'), 'of no interest');
  await writeFile(join(stateRoot, 'record'), 'of some-id');
  await symlink('some-id', join(stateRoot, 'uid-7'));
  // In a process of its own, since one that waits for a pipe can only be killed; the id is not on its command line.
  const { href } = new URL('./support/leftovers.ts', import.meta.url);
  const script = `import { leftovers } from '${href}';
    const { id, stateRoot } = process.env;
    console.log(leftovers({ id, networkNamespace: undefined, stateRoot }).join('\\n'));`;
  const found = await output(process.execPath, ['--input-type=module', '--eval', script], {
    env: { id: 'some-id', stateRoot },
    timeoutSeconds: 30,
  });
  t.strictSame(found.trim().split('\n').sort(), [join(stateRoot, 'record'), join(stateRoot, 'uid-7')]);
});
