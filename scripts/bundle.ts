import { build } from 'esbuild';

export interface BundleOptions {
  readonly entry: string;
  readonly output: string;
  readonly version: string;
  readonly commit: string;
}

/**
 * Writes `output`, one CommonJS script with everything but Node's own modules inside, and `output`.map.
 * An `import()` of a bundled module runs that module's code when it is first reached, and reads no file.
 */
export async function bundle({ entry, output, version, commit }: BundleOptions): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile: output,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node26',
    // Names stay as they are, so that a stack trace in a bug report can be read without the map.
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: 'external',
    legalComments: 'none',
    define: {
      __UCRUN_VERSION__: JSON.stringify(version),
      __UCRUN_COMMIT__: JSON.stringify(commit),
      // Some libraries look for files of theirs beside their own. In an executable there are none, and
      // below /proc/0 nobody can put any.
      'import.meta.url': '"file:///proc/0/ucrun.cjs"',
    },
    logLevel: 'warning',
  });
}
