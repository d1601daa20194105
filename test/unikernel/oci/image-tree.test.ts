import t from 'tap';
import { ImageTree, type LayerEntry } from '../../../src/unikernel/oci/image-tree.ts';

type Line = readonly [kind: LayerEntry['kind'], name: string, target?: string];

/** A tree of layers; each entry's size is its number in the layer. */
function tree(...layers: readonly (readonly Line[])[]): ImageTree {
  const made = new ImageTree();
  for (const lines of layers) {
    made.beginLayer();
    for (const [index, [kind, name, target]] of lines.entries())
      made.add({ kind, name, target, sizeBytes: index });
  }
  return made;
}

/** Where a file is: layer and entry, or nothing. */
const find = (made: ImageTree, path: string) => {
  const place = made.find(path);
  return place && `${place.layer}.${place.entry}`;
};

const cases: readonly (readonly [
  name: string,
  layers: readonly (readonly Line[])[],
  found: Readonly<Record<string, string | undefined>>,
])[] = [
  [
    'a file, however its name is written',
    [
      [
        ['directory', './a/'],
        ['file', './a/b'],
        ['file', '/c'],
        ['file', 'd//./e'],
      ],
    ],
    {
      '/a/b': '0.1',
      'a/../a/b': '0.1',
      '/c': '0.2',
      '/d/e': '0.3',
      '/a': undefined,
      '/x': undefined,
      '/c/x': undefined,
    },
  ],
  ['the upper of two', [[['file', 'a']], [['file', 'a']]], { '/a': '1.0' }],
  [
    'the later of two in a layer',
    [
      [
        ['file', 'a'],
        ['file', 'a'],
      ],
    ],
    { '/a': '0.1' },
  ],
  [
    'a whiteout',
    [
      [
        ['file', 'a/b'],
        ['file', 'a/c'],
      ],
      [['file', 'a/.wh.b']],
    ],
    { '/a/b': undefined, '/a/c': '0.1' },
  ],
  ['a whiteout of a directory', [[['file', 'a/b/c']], [['file', '.wh.a']]], { '/a/b/c': undefined }],
  [
    'a whiteout hides what is below its layer only',
    [
      [['file', 'a/b']],
      [
        ['file', 'a/b'],
        ['file', 'a/.wh.b'],
      ],
    ],
    { '/a/b': '1.0' },
  ],
  [
    'an opaque directory',
    [
      [
        ['file', 'a/b'],
        ['file', 'a/c/d'],
        ['file', 'e'],
      ],
      [
        ['file', 'a/new'],
        ['file', 'a/.wh..wh..opq'],
      ],
    ],
    { '/a/b': undefined, '/a/c/d': undefined, '/a/new': '1.0', '/e': '0.2' },
  ],
  [
    'a file in the place of a directory',
    [[['file', 'a/b']], [['file', 'a']]],
    { '/a/b': undefined, '/a': '1.0' },
  ],
  [
    'links inside',
    [
      [
        ['file', 'a/b'],
        ['symlink', 'l', 'a'],
        ['symlink', 'a/m', '../l/b'],
      ],
    ],
    { '/l/b': '0.0', '/a/m': '0.0' },
  ],
  [
    'an entry behind a link',
    [
      [
        ['directory', 'usr/lib'],
        ['symlink', 'lib', '/usr/lib'],
        ['file', 'lib/k'],
      ],
    ],
    { '/usr/lib/k': '0.2' },
  ],
  [
    'links that lead out stay inside',
    [
      [
        ['file', 'etc/k'],
        ['symlink', 'up', '../../../../etc/k'],
        ['symlink', 'abs', '/etc/k'],
      ],
    ],
    { '/up': '0.0', '/abs': '0.0' },
  ],
  [
    'names that lead out stay inside',
    [
      [
        ['file', '../../k'],
        ['file', 'a/../../../m'],
      ],
    ],
    { '/k': '0.0', '/m': '0.1' },
  ],
  [
    'a loop of links',
    [
      [
        ['symlink', 'a', 'b'],
        ['symlink', 'b', 'a'],
        ['symlink', 'c', 'c/c'],
      ],
    ],
    { '/a': undefined, '/c': undefined },
  ],
  [
    'a link to nothing',
    [
      [
        ['symlink', 'a', 'none'],
        ['link', 'b', 'none'],
      ],
    ],
    { '/a': undefined, '/b': undefined },
  ],
  [
    'a second name',
    [
      [
        ['file', 'a'],
        ['link', 'b/c', 'a'],
      ],
    ],
    { '/b/c': '0.0' },
  ],
  ['a second name of a file of another layer', [[['file', 'a']], [['link', 'b', '../a']]], { '/b': '0.0' }],
  ['a device is no file', [[['other', 'a']]], { '/a': undefined }],
];

t.test('ImageTree finds what a process in the image would find', async (t) => {
  for (const [name, layers, found] of cases) {
    const made = tree(...layers);
    for (const [path, place] of Object.entries(found)) t.equal(find(made, path), place, `${name}: ${path}`);
  }
});

t.test('ImageTree does not go deeper than any image does', async (t) => {
  const made = tree([]);
  t.notOk(made.add({ kind: 'file', name: 'a/'.repeat(500), target: undefined, sizeBytes: 0 }));
});

t.test('ImageTree gets over many whiteouts of many files', async (t) => {
  const made = new ImageTree();
  made.beginLayer();
  for (let index = 0; index < 20_000; index++)
    made.add({ kind: 'file', name: `a/${index}`, target: undefined, sizeBytes: 0 });
  made.beginLayer();
  for (let index = 0; index < 20_000; index++)
    made.add({ kind: 'file', name: `b/.wh.${index}`, target: undefined, sizeBytes: 0 });
  t.equal(find(made, '/a/19999'), '0.19999');
});
