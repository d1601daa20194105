import { readFileSync } from 'node:fs';
import t from 'tap';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const table = readFileSync('docs/dependencies.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('|'));

t.test('docs/dependencies.md has every direct dependency, with its version', async (t) => {
  const all = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
  for (const [name, version] of Object.entries<string>(all)) {
    t.match(version, /^\d+\.\d+\.\d+$/, `${name} is pinned`);
    const row = table.find((line) =>
      line
        .split('|')[1]
        ?.match(/[\w@/.-]+/g)
        ?.includes(name),
    );
    t.ok(row?.includes(version), `${name} ${version}`);
  }
});

t.test('Node is the same version for both processors', async (t) => {
  t.equal(new Set(Object.values(manifest.optionalDependencies)).size, 1);
});
