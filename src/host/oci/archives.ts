/** The library that reads and writes tar archives, in a module of ours: it is loaded when one is needed. */
export { extract, pack } from 'tar-stream';
