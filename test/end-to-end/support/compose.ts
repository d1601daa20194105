import { join } from 'node:path';
import { type CommandOptions, type Outcome, output, run } from './command.ts';
import { repository } from './environment.ts';
import { buildPlainImage, plainImage } from './images.ts';
import { podmanOutput } from './podman.ts';
import { waitFor } from './wait.ts';

/** An example's file, by its path below compose-examples. */
export const composeFile = (file: string): string => join(repository, 'compose-examples', file);

/** Why podman-compose cannot be run here; false if it can. */
export const noPodmanCompose: string | false = (await isInstalled('podman-compose', '--version'))
  ? false
  : 'podman-compose is not installed';

/** Why docker-compose cannot be run here; false if it can. */
export const noDockerCompose: string | false = (await isInstalled('docker-compose', 'version'))
  ? false
  : 'docker-compose is not installed';

/**
 * What podman-compose is called with, but for its command.
 * @param onHost whether the file's services are on the host's network, which podman-compose 1.0.3 needs help with
 */
export function composeArgs(file: string, onHost = false): readonly string[] {
  const help = ['--podman-path', join(repository, 'hack/podman-for-compose.sh')];
  return ['-f', composeFile(file), '--podman-run-args=--runtime=ucrun', ...(onHost ? help : [])];
}

/** Run podman-compose to its end. @param args of {@link composeArgs}, and a command */
export function podmanCompose(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  return run('podman-compose', args, { timeoutSeconds: 120, ...options });
}

/** Make the images of the examples, under the names that a user gives them or pulls them by. */
export async function buildExampleImages(): Promise<void> {
  const build = (script: string, image: string) =>
    output(join(repository, 'hack', script), [image], { timeoutSeconds: 180 });
  await build('tracker/build.sh', exampleImages.tracker);
  await build('nginx-image.sh', exampleImages.nginx);
  await buildPlainImage();
  await podmanOutput(['tag', plainImage, exampleImages.busybox]);
}

/** Wait until each of the three behind nginx has answered: one that is not up yet is left out for a while. @param address nginx' host */
export async function serversBehindNginx(address: string): Promise<ReadonlySet<string>> {
  const servers = new Set<string>();
  await waitFor(
    'answers from three servers',
    async () => {
      const answer = await fetch(`http://${address}:8080/`, {
        headers: { connection: 'close' },
        signal: AbortSignal.timeout(1000),
      });
      const server = answer.headers.get('served-by');
      // nginx lists all that it has asked.
      if (answer.status === 200 && server !== null && !server.includes(',')) servers.add(server);
      return servers.size === 3;
    },
    60,
  );
  return servers;
}

export const exampleImages = {
  tracker: 'localhost/ucrun-tracker',
  nginx: 'docker.io/library/nginx',
  busybox: 'docker.io/library/busybox',
} as const;

async function isInstalled(program: string, ...args: readonly string[]): Promise<boolean> {
  return output(program, args).then(
    () => true,
    () => false,
  );
}
