import { readImageTree } from '../../host/oci/layers.ts';
import type { OciImage } from '../../host/oci/layout.ts';
import type { ImageTree } from '../../unikernel/oci/image-tree.ts';
import { describingFiles, type ImportPlan, planImport } from '../../unikernel/oci/import-plan.ts';

/** Look through an OCI image for its unikernel. @throws RuntimeError OCI_IMAGE_INVALID and what a definition can have wrong */
export async function findUnikernel(
  image: OciImage,
  signal: AbortSignal,
): Promise<{ readonly plan: ImportPlan; readonly tree: ImageTree }> {
  const { tree, textOf } = await readImageTree(image, describingFiles, signal);
  const files = { readText: textOf, isFile: (path: string) => tree.find(path) !== undefined };
  return { plan: planImport({ annotations: image.manifest.annotations, config: image.config, files }), tree };
}
