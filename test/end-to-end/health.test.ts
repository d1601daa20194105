/** Health checks of unikernels: what engines ask, what compose files wait for. Here the test is the clock that podman lacks. */
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { output, run, runWithOutputTo } from './support/command.ts';
import { ucrunAsDefault } from './support/default-runtime.ts';
import { repository, scratch, ucrun } from './support/environment.ts';
import { runArgs, startGuest } from './support/guests.ts';
import { buildPlainImage, buildTrackerImage, plainImage } from './support/images.ts';
import { inspect, podman, podmanOutput, removeContainers } from './support/podman.ts';
import { waitFor } from './support/wait.ts';

t.before(async () => {
  await buildPlainImage();
  await buildTrackerImage();
});

interface Health {
  readonly Status: string;
  readonly FailingStreak: number;
  readonly Log: readonly { readonly ExitCode: number; readonly Output: string }[];
}

/** Have podman check a container's health once. */
async function check(name: string): Promise<{ readonly status: number; readonly health: Health }> {
  const { status } = await podman(['healthcheck', 'run', name]);
  return { status, health: JSON.parse(await inspect(name, '{{json .State.Health}}')) as Health };
}

/** Options for a health check whose first failure counts. */
const healthOptions = (command: string) => ['--health-cmd', command, '--health-retries', '1'];
const exec = (name: string, ...command: readonly string[]) => podman(['exec', name, ...command]);

t.test('a guest behind a tap is healthy when it answers, and unhealthy when it does not', async (t) => {
  const options = ['--env', 'PORT=8080', ...healthOptions('CMD ucrun-probe http :8080/')];
  await startGuest(t, 'health-tap', { service: 'hello', options });
  t.match(await check('health-tap'), {
    status: 0,
    health: {
      Status: 'healthy',
      Log: [{ ExitCode: 0, Output: /^ucrun-probe: GET http:\/\/localhost:8080\/ answers 200$/ }],
    },
  });
  t.match(await exec('health-tap', 'ucrun-probe', 'tcp', '8080'), {
    status: 0,
    stdout: 'ucrun-probe: tcp port 8080 is open\n',
    stderr: '',
  });
  t.match(await exec('health-tap', 'ucrun-probe', 'http', ':8080/nothing'), {
    status: 1,
    stdout: '',
    stderr: 'ucrun-probe: GET http://localhost:8080/nothing answers 404\n',
  });
  t.match(await exec('health-tap', 'ucrun-probe', 'tcp', '81'), {
    status: 1,
    stderr: 'ucrun-probe: tcp port 81 is closed: the connection was refused\n',
  });
  t.match(await podman(['exec', '--tty', 'health-tap', 'ucrun-probe', 'tcp', '8080']), {
    stderr: /ucrun-probe has no use for a terminal/,
  });

  await podmanOutput(['kill', '--signal', 'STOP', 'health-tap']);
  t.match(await exec('health-tap', 'ucrun-probe', '--timeout=300ms', 'http', ':8080/'), {
    status: 1,
    stderr: 'ucrun-probe: GET http://localhost:8080/ has not answered in 300 ms\n',
  });
  t.match(await check('health-tap'), { status: 1, health: { Status: 'unhealthy', FailingStreak: 1 } });
  await podmanOutput(['kill', '--signal', 'CONT', 'health-tap']);
  t.match(await check('health-tap'), { status: 0, health: { Status: 'healthy' } });
});

t.test("a guest behind QEMU's stack is asked itself, not the stack", async (t) => {
  const ports = ['--network', 'host', '--env', 'PORT=8290:8080,8291:99'];
  const options = [...ports, ...healthOptions('ucrun-probe tcp 8080 || exit 1')];
  await startGuest(t, 'health-user', { service: 'hello', options });
  t.match(await check('health-user'), {
    status: 0,
    health: { Log: [{ Output: 'ucrun-probe: tcp port 8080 is open' }] },
  });
  t.match(await exec('health-user', 'ucrun-probe', 'http', 'localhost:8080/'), { status: 0 });
  t.match(await exec('health-user', 'ucrun-probe', 'tcp', '99'), {
    status: 1,
    stderr: 'ucrun-probe: tcp port 99 is closed: the guest refused the connection\n',
  });
  t.match(await exec('health-user', 'ucrun-probe', 'tcp', '8290'), {
    status: 1,
    stderr: /the guest's port 8290\/tcp is not one of those in PORT/,
  });
  await podmanOutput(['kill', '--signal', 'STOP', 'health-user']);
  t.match(await exec('health-user', 'ucrun-probe', 'tcp', '8080', '--timeout', '300ms'), {
    status: 1,
    stderr: 'ucrun-probe: tcp port 8080 has not answered in 300 ms\n',
  });
  await podmanOutput(['kill', '--signal', 'CONT', 'health-user']);
});

t.test("in a network namespace of its own the stack's ports are asked inside of it", async (t) => {
  const pod = 'health-pod';
  t.teardown(() => podman(['pod', 'rm', '--force', '--time', '0', '--ignore', pod]));
  await podmanOutput(['pod', 'create', '--name', pod]);
  const options = ['--pod', pod, '--env', 'PORT=8080', ...healthOptions('CMD ucrun-probe http :8080/')];
  await podmanOutput(runArgs('health-member', { service: 'hello', options: ['--detach', ...options] }));
  const { health } = await waitFor('the member to be healthy', async () => {
    const checked = await check('health-member');
    return checked.status === 0 && checked;
  });
  t.match(health.Log.at(-1), { Output: /answers 200$/ });
});

t.test('a guest without a network is unhealthy, and the log says why', async (t) => {
  const options = ['--network', 'none', ...healthOptions('CMD ucrun-probe tcp 8080')];
  await startGuest(t, 'health-none', { service: 'hello', options });
  t.match(await check('health-none'), {
    status: 1,
    health: { Status: 'unhealthy', Log: [{ ExitCode: 1, Output: 'ucrun-probe: the guest has no network' }] },
  });
});

t.test('every other command is refused, and the refusal is in the health log', async (t) => {
  await startGuest(t, 'health-refused', { service: 'hello', options: healthOptions('curl -f localhost') });
  const { status, health } = await check('health-refused');
  t.equal(status, 1);
  t.equal(health.Status, 'unhealthy');
  t.match(health.Log[0]?.Output, /^ucrun: cannot run a command in container ".*": it is a unikernel/);
  t.match(await exec('health-refused', 'ls', '/'), {
    stdout: '',
    stderr: /^Error: .*it is a unikernel/,
  });
  t.match(await exec('health-refused', 'ucrun-probe', 'http', 'other:80/'), {
    stderr: /^Error: .*asks its own container's guest, not "other"/,
  });
  t.match(await podman(['exec', '--tty', 'health-refused', 'ls']), { stderr: /it is a unikernel/ });
});

t.test('exec as containerd calls it hands over a process', async (t) => {
  await startGuest(t, 'health-detach', { service: 'hello', options: ['--env', 'PORT=8080'] });
  const id = await inspect('health-detach', '{{.Id}}');
  const file = (name: string) => join(scratch, `health-${name}`);
  const start = async (args: readonly string[], ...more: readonly string[]) => {
    await writeFile(file('process'), JSON.stringify({ args, cwd: '/', terminal: false }));
    const status = await runWithOutputTo(file('output'), [
      ...[ucrun, '--log', file('log'), '--log-format', 'json', 'exec', '--process', file('process')],
      ...['--detach', '--pid-file', file('pid'), ...more, id],
    ]);
    return { status, said: () => readFile(file('output'), 'utf8') };
  };

  const { status, said } = await start(['ucrun-probe', 'tcp', '8080']);
  t.equal(status, 0);
  t.match(await readFile(file('pid'), 'utf8'), /^\d+$/);
  await waitFor('the probe to end', async () => (await said()) === 'ucrun-probe: tcp port 8080 is open\n');

  const refused = await start(['ls']);
  t.equal(refused.status, 1);
  t.match(await refused.said(), /^ucrun: cannot run a command/);
  t.match(JSON.parse(await readFile(file('log'), 'utf8')), { level: 'error', code: 'EXEC_REFUSED' });

  const onTerminal = await start(
    ['ucrun-probe', 'tcp', '8080'],
    '--tty',
    '--console-socket',
    file('console'),
  );
  t.equal(onTerminal.status, 1);
  t.match(await onTerminal.said(), /no use for a terminal/);

  t.match(await run(ucrun, ['exec', id, 'ucrun-probe', 'tcp', '8080']), {
    status: 0,
    stdout: 'ucrun-probe: tcp port 8080 is open\n',
  });
  t.match(await run(ucrun, ['exec', id, 'ls']), { status: 1, stderr: /it is a unikernel/ });
});

const compose = 'healthy-first.yaml';
const isInstalled = await output('docker-compose', ['version']).then(
  () => true,
  () => false,
);

t.test(
  'a plain container waits for a healthy unikernel, and a unikernel for a healthy plain container',
  { skip: !isInstalled && 'docker-compose is not installed' },
  async (t) => {
    const env = await startService(t);
    const up = (...args: readonly string[]) =>
      run('docker-compose', ['-f', join(repository, 'compose-examples', compose), ...args], { env });
    await podmanOutput(['tag', plainImage, 'docker.io/library/busybox']);
    await output(join(repository, 'hack/tracker/build.sh'), ['localhost/ucrun-tracker'], {
      timeoutSeconds: 120,
    });
    const names = ['settings', 'hello', 'visitor'].map((service) => `compose-examples_${service}_1`);
    t.teardown(() => removeContainers(...names));

    const stopClock = startClock(names);
    const { status, stderr } = await up('up', '-d');
    const healthySince = await stopClock();
    t.equal(status, 0, stderr);
    for (const [index, name] of names.slice(1).entries()) {
      const before = names[index] ?? '';
      const started = Number(await inspect(name, '{{.State.StartedAt.UnixMilli}}'));
      t.ok(started >= (healthySince.get(before) ?? Infinity), `${name} started when ${before} was healthy`);
    }
    await waitFor('the visitor to be answered', async () =>
      (await podmanOutput(['logs', names[2] ?? ''])).includes('"name":"hello"'),
    );
    t.equal((await up('down')).status, 0);
  },
);

/** podman's service, in whose containers ucrun is the default. @returns the environment for docker-compose */
async function startService(t: Test): Promise<Readonly<Record<string, string>>> {
  const socket = `unix://${scratch}/service.sock`;
  const service = spawn('podman', ['system', 'service', '--time', '0', socket], {
    env: { ...process.env, ...(await ucrunAsDefault('service')) },
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => service.once('exit', resolve));
  t.teardown(async () => {
    service.kill();
    await ended;
  });
  await waitFor(
    'the service',
    async () => (await run('podman', ['--remote', '--url', socket, 'version'])).status === 0,
  );
  return { DOCKER_HOST: socket };
}

/** What systemd's timers do elsewhere. @returns how to stop it, and learn since when each container is healthy */
function startClock(names: readonly string[]): () => Promise<ReadonlyMap<string, number>> {
  const healthySince = new Map<string, number>();
  let isOver = false;
  const running = (async () => {
    while (!isOver) {
      for (const name of names) {
        const asked = Date.now();
        const { status } = await podman(['healthcheck', 'run', name]);
        if (status === 0 && !healthySince.has(name)) healthySince.set(name, asked);
      }
      await delay(200);
    }
    return healthySince;
  })();
  return () => {
    isOver = true;
    return running;
  };
}
