import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { output } from './command.ts';
import { repository, scratch } from './environment.ts';

export const plainImage = 'localhost/ucrun-test-plain';
export const trackerImage = 'localhost/ucrun-test-tracker';

/** Make an image with a static busybox, unless there is one. Its shell is `/bin/sh`. */
export async function buildPlainImage(): Promise<void> {
  await once(plainImage, async () => {
    const folder = await mkdtemp(join(scratch, 'image-'));
    await fillRootfs(folder);
    await writeFile(
      join(folder, 'Containerfile'),
      [
        'FROM scratch',
        ...rootfsFolders.map((name) => `COPY ${name} /${name}`),
        'ENV PATH=/bin',
        'CMD ["sh"]',
        '',
      ].join('\n'),
    );
    await output('podman', ['build', '--quiet', '--tag', plainImage, folder]);
    await rm(folder, { recursive: true });
  });
}

/** Make the image that stands for a unikernel, unless there is one. */
export async function buildTrackerImage(): Promise<void> {
  await once(trackerImage, async () => {
    await output(join(repository, 'hack/tracker/build.sh'), [trackerImage], { timeoutSeconds: 120 });
  });
}

const applets =
  'sh cat echo env false grep hostname httpd id kill ls mkdir ps pwd sleep stty tail touch true tty wget'.split(
    ' ',
  );

const rootfsFolders = ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp'];

/** Fill a directory with the smallest root file system that a shell script is at home in. */
export async function fillRootfs(folder: string): Promise<void> {
  for (const name of rootfsFolders) await mkdir(join(folder, name), { recursive: true });
  await copyFile('/bin/busybox', join(folder, 'bin/busybox'));
  await output('sh', ['-c', 'for name; do ln -s busybox "$name"; done', 'sh', ...applets], {
    cwd: join(folder, 'bin'),
  });
  await writeFile(join(folder, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n');
  await writeFile(join(folder, 'etc/group'), 'root:x:0:\nuser:x:1000:\n');
  await writeFile(join(folder, 'etc/not-executable'), 'plain text\n', { mode: 0o644 });
}

/** Test files run side by side, in processes of their own: the first builds an image, the others wait for it. */
async function once(image: string, build: () => Promise<void>): Promise<void> {
  const lock = join(scratch, `${image.replaceAll('/', '-')}.lock`);
  for (;;) {
    try {
      await mkdir(lock);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  try {
    const known = await output('podman', ['images', '--quiet', image]);
    if (known === '') await build();
  } finally {
    await rm(lock, { recursive: true });
  }
}
