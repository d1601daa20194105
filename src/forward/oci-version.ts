/** The version of the specification that ucrun writes: every crun accepts it, and nothing newer is used. */
export const writtenOciVersion = '1.0.2';

/** Whether every crun accepts a specification of this version, so that crun's own need not be known. */
export function isAcceptedByEveryCrun(ociVersion: string): boolean {
  return ociVersion.includes('1.0') || ociVersion.includes('1.1');
}
