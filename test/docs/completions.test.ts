import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { delimiter } from 'node:path';
import t from 'tap';
import { imageOperands } from '../../src/cli/image/commands.ts';
import { fileOptions, settingOptions } from '../../src/cli/image/definition-options.ts';
import { createOptions, machineCommands } from '../../src/cli/machine/commands.ts';
import { ociVerbs } from '../../src/cli/people.ts';
import { engineNames } from '../../src/setup/engine.ts';

const verbs = Object.keys(ociVerbs)
  .flatMap((entry) => entry.split(', ').map((verb) => verb.split(' ')[0] ?? ''))
  .concat('image', 'machine', 'setup', 'doctor', 'completion', 'help');

/** Under their first names. */
const imageCommands = Object.keys(imageOperands)
  .filter((name) => name !== 'remove')
  .concat('ls');

const shells = [
  { shell: 'bash', file: 'completions/ucrun.bash', check: ['-n'], entry: (verb: string) => `\\b${verb}\\b` },
  { shell: 'zsh', file: 'completions/_ucrun', check: ['-n'], entry: (verb: string) => `['"]${verb}:` },
  {
    shell: 'fish',
    file: 'completions/ucrun.fish',
    check: ['--no-execute'],
    entry: (verb: string) => `-n \\$first -a ${verb} -d`,
  },
] as const;

for (const { shell, file, check, entry } of shells) {
  const text = readFileSync(file, 'utf8');

  t.test(`${file} has every command and option below image`, async (t) => {
    for (const command of imageCommands) t.match(text, new RegExp(`\\b${command}\\b`), command);
    for (const option of [
      ...Object.keys({ ...fileOptions, ...settingOptions }),
      'replace',
      'tls-verify',
      'authfile',
      'load',
    ])
      t.match(text, new RegExp(`(?:--|-l )${option}\\b`), option);
  });

  t.test(`${file} has every command and option below machine`, async (t) => {
    const firstNames = machineCommands.filter((name) => !['remove', 'list', 'ls'].includes(name));
    for (const command of firstNames) t.match(text, new RegExp(`\\b${command}\\b`), command);
    for (const option of [
      ...Object.keys(createOptions),
      'system',
      'user',
      'detach',
      'time',
      'no-engines',
      'fix',
    ])
      t.match(text, new RegExp(`(?:--|-l )${option}\\b`), option);
  });

  t.test(`${file} has every command and global option`, async (t) => {
    for (const verb of verbs) t.match(text, new RegExp(entry(verb)), verb);
    for (const option of ['root', 'log', 'log-format', 'debug', 'version', 'help'])
      t.match(text, new RegExp(`(?:--|-l )${option}\\b`), option);
  });

  t.test(`${file} has the engines and options of setup and doctor`, async (t) => {
    for (const engine of engineNames) t.match(text, new RegExp(`\\b${engine}\\b`), engine);
    for (const option of ['default', 'remove', 'dry-run', 'fix'])
      t.match(text, new RegExp(`(?:--|-l )${option}\\b`), option);
  });

  t.test(
    `${file} is accepted by ${shell}`,
    { skip: isMissing(shell) && `${shell} is not installed` },
    async (t) => {
      const { status, stderr } = spawnSync(shell, [...check, file], { encoding: 'utf8' });
      t.equal(stderr, '');
      t.equal(status, 0);
    },
  );
}

function isMissing(program: string): boolean {
  return spawnSync(program, ['-c', ':']).error !== undefined;
}

/** A runtime that knows two containers under crun's root, one under another root, and two unikernels. */
const fake = `#!/bin/sh
case "$*" in
  'list --quiet') printf 'one\\ntwo\\n' ;;
  '--root /other list --quiet') echo three ;;
  'image ls') printf 'NAME   GUEST\\nhello  raw\\nlinux  linux\\n' ;;
  'machine ps --all --quiet --no-engines') printf 'web\\ndb\\n' ;;
  *) exit 1 ;;
esac
`;

const cases: readonly [words: string[], expected: string[]][] = [
  [
    ['ucrun', 'st'],
    ['start', 'state'],
  ],
  [['ucrun', '--log-'], ['--log-format']],
  [['ucrun', '--log-format', '=', 'j'], ['json']],
  [
    ['ucrun', 'kill', ''],
    ['one', 'two'],
  ],
  [
    ['ucrun', 'kill', 'one', 'T'],
    ['TERM', 'TSTP'],
  ],
  [['ucrun', 'start', 'one', ''], []],
  [['ucrun', '--root', '/other', 'start', ''], ['three']],
  [['ucrun', '--root', '=', '/other', 'start', ''], ['three']],
  [['ucrun', 'delete', '--force', 't'], ['two']],
  [
    ['ucrun', 'image', ''],
    ['ls', 'inspect', 'add', 'import', 'rm', 'pack', 'pull', 'push'],
  ],
  [['ucrun', 'image', 'inspect', 'h'], ['hello']],
  [['ucrun', 'image', 'ls', '-'], ['--json']],
  [
    ['ucrun', 'image', 'rm', 'hello', ''],
    ['hello', 'linux'],
  ],
  [['ucrun', 'image', 'pack', '--output', 'x.tar', 'l'], ['linux']],
  [['ucrun', 'image', 'push', 'hello', ''], []],
  [['ucrun', 'image', 'add', '--ker'], ['--kernel']],
  [
    ['ucrun', 'image', 'add', 'x', '--machine', ''],
    ['microvm', 'q35'],
  ],
  [['ucrun', 'image', 'pull', '--tls'], ['--tls-verify=false']],
  [
    ['ucrun', 'setup', 'c'],
    ['containerd', 'crio'],
  ],
  [
    ['ucrun', 'setup', 'podman', '--d'],
    ['--default', '--dry-run'],
  ],
  [
    ['ucrun', 'machine', 'st'],
    ['start', 'stop'],
  ],
  [['ucrun', 'machine', 'stop', 'w'], ['web']],
  [
    ['ucrun', 'machine', '--user', 'rm', 'web', ''],
    ['web', 'db'],
  ],
  [['ucrun', 'machine', 'run', 'h'], ['hello']],
  [['ucrun', 'machine', 'run', '--restart', 'on'], ['on-failure']],
  [['ucrun', 'machine', 'ps', '--format', 'y'], ['yaml']],
  [['ucrun', 'create', '--bundle', '/b', '--pid'], ['--pid-file']],
];

t.test(
  'completions/ucrun.bash completes',
  { skip: isMissing('bash') && 'bash is not installed' },
  async (t) => {
    const folder = t.testdir({ ucrun: fake });
    for (const [words, expected] of cases) {
      const script = `chmod +x "$0/ucrun"; . completions/ucrun.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ucrun; printf "%s\\n" "\${COMPREPLY[@]}"`;
      const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script, folder, ...words], {
        encoding: 'utf8',
        env: { PATH: `${folder}${delimiter}${process.env.PATH}` },
      });
      t.equal(stderr, '');
      t.strictSame(
        stdout.split('\n').filter((line) => line !== ''),
        expected,
        words.join(' '),
      );
    }
  },
);

t.test('completions/_ucrun completes', { skip: isMissing('zsh') && 'zsh is not installed' }, async (t) => {
  const folder = t.testdir({ ucrun: fake });
  chmodSync(`${folder}/ucrun`, 0o755);
  const complete = (line: string) => {
    const { stdout } = spawnSync('zsh', ['-f', 'test/docs/support/complete.zsh', line, `${folder}/out`], {
      encoding: 'utf8',
      env: { PATH: `${folder}${delimiter}${process.env.PATH}`, HOME: folder, TERM: 'dumb' },
      timeout: 60_000,
    });
    return stdout.split('\n').filter((word) => word !== '');
  };
  t.strictSame(complete('ucrun st'), ['start', 'state']);
  t.strictSame(complete('ucrun --root /other start '), ['three']);
  t.strictSame(complete('ucrun image rm h'), ['hello']);
  t.strictSame(complete('ucrun machine stop '), ['web', 'db']);
  t.strictSame(complete('ucrun machine run li'), ['linux']);
  t.strictSame(complete('ucrun setup c'), ['containerd', 'crio']);
});

t.test(
  'completions/ucrun.fish completes',
  { skip: isMissing('fish') && 'fish is not installed' },
  async (t) => {
    const folder = t.testdir({ ucrun: fake });
    const complete = (line: string) => {
      const script = `chmod +x ${folder}/ucrun; source completions/ucrun.fish; complete -C '${line}'`;
      const { stdout } = spawnSync('fish', ['-c', script], {
        encoding: 'utf8',
        env: {
          ...process.env,
          PATH: `${folder}${delimiter}${process.env.PATH}`,
          HOME: folder,
          XDG_CONFIG_HOME: folder,
        },
      });
      return stdout.split('\n').flatMap((entry) => entry.split('\t')[0] || []);
    };
    t.strictSame(complete('ucrun st').sort(), ['start', 'state']);
    t.strictSame(complete('ucrun start ').sort(), ['one', 'two']);
    t.strictSame(complete('ucrun --root /other start '), ['three']);
    t.strictSame(complete('ucrun image rm ').sort(), ['hello', 'linux']);
    t.ok(complete('ucrun image inspect ').includes('hello'));
    t.strictSame(complete('ucrun image p').sort(), ['pack', 'pull', 'push']);
    t.strictSame(complete('ucrun image pack --lo'), ['--load']);
    t.strictSame(complete('ucrun setup c').sort(), ['containerd', 'crio']);
  },
);
