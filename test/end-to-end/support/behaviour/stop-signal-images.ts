import { output } from '../command.ts';

/** The image whose STOPSIGNAL is this one. */
export function stopSignalImage(signal: string): string {
  return `localhost/ucrun-test-${signal.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')}`;
}

/** Make the images that rows need beside the tracker image, with podman. @returns their names */
export async function buildStopSignalImages(base: string): Promise<readonly string[]> {
  const images: string[] = [];
  for (const signal of ['SIGRTMIN+3', 'SIGUSR1']) {
    const image = stopSignalImage(signal);
    const containerfile = `FROM ${base}\nSTOPSIGNAL ${signal}\n`;
    await output('podman', ['build', '--quiet', '--tag', image, '-'], { input: containerfile });
    images.push(image);
  }
  return images;
}
