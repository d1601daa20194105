import t from 'tap';
import { guestEnvironment } from '../../src/runtime/guest-environment.ts';
import { capturedSpec } from '../unikernel/support/fixtures.ts';

t.test('guestEnvironment() keeps what the user set, whichever engine added what', async (t) => {
  t.strictSame(guestEnvironment(capturedSpec('podman-bridge').env, 'own'), [
    'PORT=8080',
    'GREETING=hello world',
  ]);
  t.strictSame(guestEnvironment(capturedSpec('docker').env, 'own'), ['PORT=8080']);
  t.strictSame(guestEnvironment(capturedSpec('containerd').env, 'own'), ['PORT=8080']);
  t.strictSame(guestEnvironment([], 'own'), []);
});

t.test('guestEnvironment() takes the last of two values, and names as a whole', async (t) => {
  const cases: readonly [env: readonly string[], expected: readonly string[]][] = [
    [
      ['A=1', 'B=2', 'A=3'],
      ['A=3', 'B=2'],
    ],
    [
      ['PATHS=1', 'MYPATH=2', 'PATH=3'],
      ['PATHS=1', 'MYPATH=2'],
    ],
    [['A='], ['A=']],
    [['A=b=c'], ['A=b=c']],
    [['path=1'], ['path=1']],
    [
      [
        'LISTEN_FDS=1',
        'LISTEN_PID=2',
        'LISTEN_FDNAMES=x',
        'container=podman',
        'TERM=xterm',
        'HOME=/',
        'HOSTNAME=h',
      ],
      [],
    ],
  ];
  for (const [env, expected] of cases) t.strictSame(guestEnvironment(env, 'own'), expected, env.join(' '));
});

t.test('guestEnvironment() passes all where that is asked for, but what would mislead a guest', async (t) => {
  const env = ['PATH=/bin', 'TERM=xterm', 'container=podman', 'A=1', 'SERVICE_NAME=x', 'LISTEN_FDS=1', 'A=2'];
  t.strictSame(guestEnvironment(env, 'all'), ['PATH=/bin', 'TERM=xterm', 'container=podman', 'A=2']);
});
