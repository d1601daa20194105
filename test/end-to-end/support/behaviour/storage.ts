import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { guestArgs } from '../engine-guests.ts';
import { scratch } from '../environment.ts';
import { type Row, refusal, shell } from './row.ts';

/** What a guest has of the host's: directories, files, memory. */
export const storageRows: readonly Row[] = [
  {
    name: "a guest has the container's volumes and tmpfs, within its limits",
    async run(t, engine) {
      const folder = join(scratch, `storage-${engine.name}`);
      for (const name of ['rw', 'ro']) await mkdir(join(folder, name), { recursive: true });
      await writeFile(join(folder, 'ro/of-host'), 'host\n');
      const volumes = [
        '-v',
        `${folder}/rw:/data`,
        '-v',
        `${folder}/ro:/ro:ro`,
        '-v',
        `${folder}/ro/of-host:/etc/one`,
      ];
      const script =
        'cat /ro/of-host /etc/one; echo guest >/data/of-guest; echo x >/cache/x; echo y >/ro/y; exit 6';
      const ended = await engine.call([
        'run',
        ...guestArgs(engine, 'bv-storage', {
          service: 'linux',
          options: ['--rm', ...volumes, '--tmpfs', '/cache', '--memory', '256m'],
          args: shell(script),
        }),
      ]);
      t.equal(ended.status, 6, ended.stderr);
      t.match(ended.stdout, /^host\r?\nhost\r?\n.*\/ro\/y: Read-only file system\r?\n$/s);
      t.equal(await readFile(join(folder, 'rw/of-guest'), 'utf8'), 'guest\n');
      t.equal((await stat(join(folder, 'rw/of-guest'))).uid, 0, "the container's user has written it");
      const refused = await refusal(engine, [
        'run',
        ...guestArgs(engine, 'bv-refused', { service: 'hello', options: ['--rm', ...volumes] }),
      ]);
      t.match(refused, /volume "\/(?:data|ro)" cannot be given to a guest of type "raw"/);
    },
  },
];
