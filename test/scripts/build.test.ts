import { spawnSync } from 'node:child_process';
import t from 'tap';

const library = {
  'package.json': '{ "name": "library", "type": "module", "exports": "./index.js" }',
  'index.js': "export const tag = 'esm'; process.stdout.write('library ');",
};
const oldLibrary = { 'package.json': '{ "name": "old-library" }', 'index.js': "exports.tag = 'cjs';" };

function build(entry: string, output: string) {
  return spawnSync(
    process.execPath,
    ['scripts/build.ts', '--entry', entry, '--output', output, '--commit', 'c0ffee'],
    {
      encoding: 'utf8',
    },
  );
}

t.test(
  'build.ts makes an executable that needs nothing and loads what it needs when it needs it',
  async (t) => {
    const folder = t.testdir({
      node_modules: { library, 'old-library': oldLibrary },
      'main.ts': `
      import { shared } from './shared.ts';
      async function main() {
        shared.push('main');
        console.log(__UCRUN_COMMIT__, process.argv.slice(2).join());
        const { add } = await import('./ours.ts');
        add();
        const { tags } = await import('./with-library.ts');
        console.log(tags().join());
        const again = await import('./with-library.ts');
        console.log(again.tags === tags, shared.join());
        const { basename } = await import('node:path');
        console.log(basename('/a/b'));
      }
      main();
    `,
      'shared.ts': `export const shared: string[] = []; process.stdout.write('shared ');`,
      'ours.ts': `
      import { shared } from './shared.ts';
      export const add = () => shared.push('ours');
      process.stdout.write('ours ');
    `,
      'with-library.ts': `
      import { tag } from 'library';
      import { tag as oldTag } from 'old-library';
      import { hostname } from 'node:os';
      import { add } from './ours.ts';
      import { shared } from './shared.ts';
      export const tags = () => { add(); shared.push(typeof hostname); return [tag, oldTag]; };
    `,
    });
    const { status, stderr } = build(`${folder}/main.ts`, `${folder}/program`);
    t.equal(status, 0, stderr);

    const run = spawnSync(`${folder}/program`, ['--version', '--inspect'], {
      encoding: 'utf8',
      env: { NODE_OPTIONS: '--no-such-option' },
    });
    t.equal(run.stderr, '');
    t.equal(
      run.stdout,
      [
        'shared c0ffee --version,--inspect',
        'ours library esm,cjs',
        'true main,ours,ours,function',
        'b',
        '',
      ].join('\n'),
    );
    t.equal(run.status, 0);
  },
);

t.test('build.ts refuses an import() that would give no names', async (t) => {
  const folder = t.testdir({
    node_modules: { 'old-library': oldLibrary },
    'main.ts': `import('old-library').then(({ tag }) => console.log(tag));`,
  });
  const { status, stderr } = build(`${folder}/main.ts`, `${folder}/program`);
  t.equal(status, 1);
  t.match(stderr, /import\(\) of .*old-library\/index\.js, a CommonJS module, has no named exports/);
});

t.test('build.ts refuses an architecture that it does not know', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/build.ts', '--arch', 'riscv64'], {
    encoding: 'utf8',
  });
  t.equal(status, 1);
  t.equal(stderr, 'build: cannot build for "riscv64": ARCH is x64 or arm64\n');
});
