import { rmSync } from 'node:fs';
import { copyFromLayout, type SkopeoOptions } from '../../host/skopeo.ts';
import { parseReference } from '../../unikernel/image-reference.ts';
import type { Answer, ImageContext } from './context.ts';
import { makeWorkDirectory, packInto, temporaryDirectory } from './pack.ts';

/** `image push`: pack a unikernel and give the image to an image registry. @throws RuntimeError */
export async function imagePush(
  context: ImageContext,
  name: string,
  givenReference: string,
  access: Pick<SkopeoOptions, 'tlsVerify' | 'authfile'>,
): Promise<Answer> {
  const { env, signal, progress } = context;
  const reference = parseReference(givenReference);
  const work = makeWorkDirectory(temporaryDirectory(env));
  try {
    // The layout has the name by which skopeo is told of it.
    const { digest } = await packInto(context, name, 'unikernel', `${work}/image`);
    progress.end();
    await copyFromLayout(work, reference, { ...access, env, signal, showsProgress: progress.isShown });
    return { text: `pushed ${name} to ${reference} (${digest})\n`, json: { name, reference, digest } };
  } finally {
    progress.end();
    rmSync(work, { recursive: true, force: true });
  }
}
