/**
 * The file in an image's root that describes its unikernel, with the keys of `unikernel.json` and paths that mean files in the
 * image. In an image that `ucrun image pack` made it is the entry point as well: an engine wants one, and whoever runs the image
 * without ucrun reads in the error what it would need.
 */
export const ownFile = '/ucrun.json';

/** Where a packed image has the unikernel's files. */
export const ownDirectory = '/unikernel';
