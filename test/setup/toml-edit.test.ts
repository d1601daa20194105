import t from 'tap';
import { RuntimeError } from '../../src/base/runtime-error.ts';
import { parseToml, setInToml, type TomlSetting } from '../../src/setup/toml-edit.ts';
import { tomlStatements } from '../../src/setup/toml-statements.ts';

const cases: readonly [what: string, text: string, settings: readonly TomlSetting[], expected: string][] = [
  ['an empty file', '', [{ path: ['a', 'b'], value: 1 }], '[a]\nb = 1\n'],
  ['a key of the top', '# note\nx = 1\n', [{ path: ['y'], value: true }], '# note\nx = 1\ny = true\n'],
  ['a key before the first table', '[t]\nx = 1\n', [{ path: ['y'], value: 'z' }], 'y = "z"\n[t]\nx = 1\n'],
  [
    'a key at the end of its table, as far in as the one before',
    '[a]\n  # first\n  x = 1 # one\n\n  # about b\n[a.b]\ny = 2\n',
    [{ path: ['a', 'z'], value: ['p', 'q'] }],
    '[a]\n  # first\n  x = 1 # one\n  z = ["p", "q"]\n\n  # about b\n[a.b]\ny = 2\n',
  ],
  [
    'a value, with the comment behind it kept',
    'v = [\n  "a", # one\n  "]", # two\n] # all\nw = 1\n',
    [{ path: ['v'], value: ['c'] }],
    'v = ["c"] # all\nw = 1\n',
  ],
  [
    'a table that there is only in a comment and in strings',
    '#[engine]\n#runtime = "x"\ns = """\n[engine]\nruntime = "no"\n"""\nl = \'\'\'[engine]\'\'\'\n',
    [{ path: ['engine', 'runtime'], value: 'ucrun' }],
    '#[engine]\n#runtime = "x"\ns = """\n[engine]\nruntime = "no"\n"""\nl = \'\'\'[engine]\'\'\'\n\n[engine]\nruntime = "ucrun"\n',
  ],
  [
    'names in quotes, and blanks around dots',
    '[ plugins . "io.x.cri" . \'containerd\' ]\n\tq = "\\"["\n',
    [{ path: ['plugins', 'io.x.cri', 'containerd', 'r'], value: 'v' }],
    '[ plugins . "io.x.cri" . \'containerd\' ]\n\tq = "\\"["\n\tr = "v"\n',
  ],
  ['a key with dots', 'a.b = 1\n', [{ path: ['a', 'b'], value: 2 }], 'a.b = 2\n'],
  [
    'lines that end as those of Windows',
    '[a]\r\nx = 1\r\n',
    [{ path: ['a', 'y'], value: 2 }],
    '[a]\r\nx = 1\r\ny = 2\r\n',
  ],
  [
    'a last line without an end',
    '[a]\nx = 1',
    [{ path: ['b', 'y'], value: 2 }],
    '[a]\nx = 1\n\n[b]\ny = 2\n',
  ],
  [
    'the end of a long string with quotes before it',
    's = """a"""""\nx = 1\n',
    [{ path: ['x'], value: 2 }],
    's = """a"""""\nx = 2\n',
  ],
  [
    'a table after a list of tables',
    '[[l]]\nx = 1\n[[l]]\nx = 2\n',
    [{ path: ['m', 'y'], value: 2 }],
    '[[l]]\nx = 1\n[[l]]\nx = 2\n\n[m]\ny = 2\n',
  ],
];

for (const [what, text, settings, expected] of cases) {
  t.test(`setInToml() sets ${what}`, async (t) => {
    const result = setInToml(text, settings, '/f.toml');
    t.equal(result, expected);
    t.equal(setInToml(result, settings, '/f.toml'), expected, 'a second time changes nothing');
  });
}

t.test('setInToml() refuses a text that it could only change by writing it anew', async (t) => {
  for (const text of ['engine = { runtimes = { crun = ["/c"] } }\n', 'engine = 1\n', '[[engine]]\nx = 1\n']) {
    t.throws(() => setInToml(text, [{ path: ['engine', 'runtimes', 'ucrun'], value: ['/u'] }], '/f.toml'), {
      code: 'ENGINE_CONFIG_INVALID',
      message: '/f.toml is written in a way that cannot be added to',
      hint: 'add this to it by hand: engine.runtimes.ucrun = ["/u"]',
    });
  }
});

t.test('parseToml() says where a text is wrong', async (t) => {
  t.throws(() => parseToml('a = 1\nb = [1,\n', '/f.toml'), RuntimeError);
  t.throws(() => parseToml('a = 1\nb == 2\n', '/f.toml'), {
    code: 'ENGINE_CONFIG_INVALID',
    message: '/f.toml is not TOML: line 2, column 4',
  });
});

t.test('tomlStatements() gives each its place', async (t) => {
  const text = '  a = { b = "}" } # c\n[[x."y z"]]\n';
  t.match(tomlStatements(text), [
    { kind: 'key', path: ['a'], from: 2, valueFrom: 6, valueTo: 17 },
    { kind: 'array-table', path: ['x', 'y z'], from: 22 },
  ]);
});
