import t from 'tap';
import {
  hasFlag,
  lastValue,
  parseCommandLine,
  parseVerbArgs,
  withoutOptions,
} from '../../src/forward/command-line.ts';

const words = (text: string) => (text === '' ? [] : text.split(' '));

t.test('parseCommandLine() finds the verb behind every spelling of the global options', async (t) => {
  const cases: readonly [line: string, globalArgs: string, verb: string | undefined, verbArgs: string][] = [
    ['', '', undefined, ''],
    ['state id', '', 'state', 'id'],
    ['--root /r state id', '--root /r', 'state', 'id'],
    ['--root=/r state id', '--root=/r', 'state', 'id'],
    ['-root /r state id', '-root /r', 'state', 'id'],
    ['--root /r --root /s state id', '--root /r --root /s', 'state', 'id'],
    ['--root create create id', '--root create', 'create', 'id'],
    ['--root= state id', '--root=', 'state', 'id'],
    ['--systemd-cgroup create id', '--systemd-cgroup', 'create', 'id'],
    ['--debug --systemd-cgroup --log /l start id', '--debug --systemd-cgroup --log /l', 'start', 'id'],
    ['--log /l --log-format json kill id 15', '--log /l --log-format json', 'kill', 'id 15'],
    ['--log-format=json --log=/l delete id', '--log-format=json --log=/l', 'delete', 'id'],
    ['--cgroup-manager cgroupfs list', '--cgroup-manager cgroupfs', 'list', ''],
    ['--rootless true run id', '--rootless true', 'run', 'id'],
    // An option that nobody knows may have a value: the first word that is a verb is the verb.
    ['--unknown create id', '--unknown', 'create', 'id'],
    ['--unknown value create id', '--unknown value', 'create', 'id'],
    ['--unknown=value create id', '--unknown=value', 'create', 'id'],
    ['-x value create id', '-x value', 'create', 'id'],
    // The verb comes first; what looks like one behind it is a container's id.
    ['kill state TERM', '', 'kill', 'state TERM'],
    ['delete --force run', '', 'delete', '--force run'],
    ['-- state id', '--', 'state', 'id'],
    ['--root /r -- state id', '--root /r --', 'state', 'id'],
    ['--version', '--version', undefined, ''],
    ['--root', '--root', undefined, ''],
    ['frobnicate id', '', 'frobnicate', 'id'],
    ['- state', '-', 'state', ''],
  ];
  for (const [text, globalArgs, verb, verbArgs] of cases) {
    const args = words(text);
    const line = parseCommandLine(args);
    t.strictSame(
      { args: line.args, globalArgs: line.globalArgs, verb: line.verb, verbArgs: line.verbArgs },
      { args, globalArgs: words(globalArgs), verb, verbArgs: words(verbArgs) },
      `"${text}"`,
    );
  }
});

t.test('parseCommandLine() takes the last value of a global option', async (t) => {
  const none = { root: undefined, log: undefined, logFormat: 'text', debug: false, usesSystemd: false };
  const cases: readonly [line: string, globals: object][] = [
    ['state id', none],
    ['--root /r state id', { ...none, root: '/r' }],
    ['--systemd-cgroup create id', { ...none, usesSystemd: true }],
    ['--systemd-cgroup=true create id', { ...none, usesSystemd: true }],
    ['--systemd-cgroup=false create id', none],
    ['--cgroup-manager systemd create id', { ...none, usesSystemd: true }],
    ['--cgroup-manager=cgroupfs create id', none],
    ['create --systemd-cgroup', none],
    ['--root=/r state id', { ...none, root: '/r' }],
    ['--root=/r=s state id', { ...none, root: '/r=s' }],
    ['-root /r state id', { ...none, root: '/r' }],
    ['--root /r --root=/s state id', { ...none, root: '/s' }],
    ['--root=/r --root /s state id', { ...none, root: '/s' }],
    ['--root --debug state id', { ...none, root: '--debug' }],
    ['--log /l --log-format json state id', { ...none, log: '/l', logFormat: 'json' }],
    ['--log-format=json --log=/l state id', { ...none, log: '/l', logFormat: 'json' }],
    ['--log-format xml state id', none],
    ['--debug state id', { ...none, debug: true }],
    ['--debug=false state id', none],
    ['state --root /r id', none],
    ['--root', none],
    ['--root=', { ...none, root: '' }],
    ['-- --root /r state id', none],
  ];
  for (const [text, globals] of cases)
    t.strictSame(parseCommandLine(words(text)).globals, globals, `"${text}"`);
});

t.test('parseCommandLine() keeps empty arguments and arguments with spaces', async (t) => {
  const line = parseCommandLine(['--root', 'a b', 'create', '--bundle', '', 'id']);
  t.match(line, { globals: { root: 'a b' }, verb: 'create', verbArgs: ['--bundle', '', 'id'] });
  t.equal(parseCommandLine(['', 'state']).verb, 'state');
});

t.test('parseVerbArgs() tells values from positional arguments', async (t) => {
  const cases: readonly [
    verb: string,
    args: string,
    options: Record<string, unknown>,
    positionals: string,
  ][] = [
    ['create', '--bundle /b id', { bundle: '/b' }, 'id'],
    ['create', '--bundle=/b id', { bundle: '/b' }, 'id'],
    ['create', '-b /b id', { b: '/b' }, 'id'],
    ['create', '-b/b id', { b: '/b' }, 'id'],
    ['create', '-b=/b id', { b: '/b' }, 'id'],
    ['create', '-bundle /b id', { bundle: '/b' }, 'id'],
    ['create', 'id --bundle /b', { bundle: '/b' }, 'id'],
    ['create', '--no-pivot id', { 'no-pivot': undefined }, 'id'],
    [
      'create',
      '--no-pivot --no-new-keyring id',
      { 'no-pivot': undefined, 'no-new-keyring': undefined },
      'id',
    ],
    ['create', '--preserve-fds 3 id', { 'preserve-fds': '3' }, 'id'],
    ['create', '--console-socket /s --pid-file /p id', { 'console-socket': '/s', 'pid-file': '/p' }, 'id'],
    ['create', '--unknown id', { unknown: undefined }, 'id'],
    ['create', '-- --bundle id', {}, '--bundle id'],
    ['create', '--bundle', { bundle: undefined }, ''],
    ['run', '--detach --keep -f /c id', { detach: undefined, keep: undefined, f: '/c' }, 'id'],
    ['kill', '--all id 15', { all: undefined }, 'id 15'],
    ['kill', 'id 15', {}, 'id 15'],
    ['delete', '--force id', { force: undefined }, 'id'],
    ['delete', '-f id', { f: undefined }, 'id'],
    ['restore', '-no-subreaper --image-path /i id', { 'no-subreaper': undefined, 'image-path': '/i' }, 'id'],
    [
      'checkpoint',
      '--image-path /i --leave-running --work-path /w id',
      { 'image-path': '/i', 'leave-running': undefined, 'work-path': '/w' },
      'id',
    ],
    ['ps', '--format json id', { format: 'json' }, 'id'],
    ['ps', '-f json id', { f: 'json' }, 'id'],
    ['update', '--resources=- id', { resources: '-' }, 'id'],
    ['update', '--resources - id', { resources: '-' }, 'id'],
    ['update', '--memory 100 id', { memory: '100' }, 'id'],
    ['exec', '--process /p --detach id', { process: '/p', detach: undefined }, 'id'],
    [
      'exec',
      '-d --pid-file=/p id cmd --force -e x',
      { d: undefined, 'pid-file': '/p' },
      'id cmd --force -e x',
    ],
    ['exec', '-e A=B id env', { e: 'A=B' }, 'id env'],
    ['exec', '-eA=B id env', { e: 'A=B' }, 'id env'],
    ['exec', '-- id cmd', {}, 'id cmd'],
    ['start', 'id', {}, 'id'],
    ['start', '', {}, ''],
  ];
  for (const [verb, text, expected, positionals] of cases) {
    const read = parseVerbArgs(verb, words(text));
    const options = Object.fromEntries(read.options.map(({ name, value }) => [name, value]));
    t.strictSame(
      { options, positionals: read.positionals },
      { options: expected, positionals: words(positionals) },
      `${verb} ${text}`,
    );
  }
});

t.test('lastValue() and hasFlag() look under every name that is given', async (t) => {
  const { options } = parseVerbArgs('create', words('--bundle /a -b /b --no-pivot --bundle /c id'));
  t.equal(lastValue(options, 'bundle', 'b'), '/c');
  t.equal(lastValue(options, 'b'), '/b');
  t.equal(lastValue(options, 'pid-file'), undefined);
  t.equal(hasFlag(options, 'force', 'no-pivot'), true);
  t.equal(hasFlag(options, 'force', 'f'), false);
});

t.test('withoutOptions() drops options with their values, in every spelling, and nothing else', async (t) => {
  const names = ['bundle', 'b', 'config', 'f', 'preserve-fds'];
  const cases: readonly [args: string, expected: string][] = [
    ['--bundle /b --pid-file /p id', '--pid-file /p id'],
    ['--bundle=/b --pid-file=/p id', '--pid-file=/p id'],
    ['-b /b id', 'id'],
    ['-b/b id', 'id'],
    ['id --bundle /b', 'id'],
    ['--bundle /b --bundle=/c -b /d id', 'id'],
    ['--pid-file --bundle id', '--pid-file --bundle id'],
    ['--bundle --pid-file id', 'id'],
    ['--preserve-fds 0 --no-pivot id', '--no-pivot id'],
    ['-- --bundle id', '-- --bundle id'],
    ['--bundle', ''],
    ['', ''],
  ];
  for (const [args, expected] of cases)
    t.strictSame(withoutOptions('create', words(args), names), words(expected), args);
});
