/** podman without root, as an ordinary user has it, with slirp4netns. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { outputOf } from './support/engine.ts';
import {
  guestArgs,
  inspect,
  logOf,
  monitorOf,
  startGuest,
  stateOf,
  tracesOf,
  waitForReady,
} from './support/engine-guests.ts';
import { firstAnswer } from './support/http.ts';
import { buildPlainImage, buildTrackerImage, plainImage, trackerImage } from './support/images.ts';
import { leftovers, nothingLeft } from './support/leftovers.ts';
import { type Outside, outsideAddress, sampleBytes, serveOutside, sha256 } from './support/outside.ts';
import { noRootless, type Rootless, startRootless } from './support/rootless.ts';

if (noRootless !== false) t.plan(0, noRootless);
else {
  let user: Rootless | undefined;
  let outside: Outside | undefined;
  t.before(async () => {
    await buildPlainImage();
    await buildTrackerImage();
    outside = await serveOutside();
    user = await startRootless(1);
    await user.load(plainImage, trackerImage);
  });
  t.after(async () => {
    await user?.stop();
    await outside?.stop();
  });
  const started = () => {
    if (user === undefined || outside === undefined) throw new Error('nothing was started');
    return { user, port: outside.port };
  };
  const shell = (script: string) => ['sh', '-c', script];

  t.test('a unikernel answers on its published port, and stops in time with its own status', async (t) => {
    const { user } = started();
    const name = 'rl-hello';
    const traces = await startGuest(t, user, name, {
      service: 'hello',
      options: ['--publish', '18300:8080', '--env', 'PORT=8080'],
    });
    t.match(JSON.parse(await firstAnswer('http://127.0.0.1:18300/')), { name: 'hello' });
    t.ok(leftovers(traces).length > 3, 'what is looked for at the end is there now');
    const owner = await stat(`/proc/${await monitorOf(user, name)}`);
    t.ok(owner.uid >= 65536, 'QEMU is one of the subordinate users');
    t.not(owner.uid, user.uid, 'not the user');
    t.equal(await stateOf(user, name), 'running 0');
    await outputOf(user, ['stop', name]);
    t.equal(await stateOf(user, name), 'exited 0');
    t.match(await logOf(user, name), /^hello: ready[^\n]*\nhello: power button, going down\n$/m);
    await outputOf(user, ['start', name]);
    await waitForReady(user, name, 2);
    t.match(await firstAnswer('http://127.0.0.1:18300/'), /"hello"/, 'and again after a restart');
    await outputOf(user, ['rm', '--force', '--time', '0', name]);
    await nothingLeft(traces);
  });

  t.test("a Linux guest reaches what is outside, and its status is the container's", async (t) => {
    const { user, port } = started();
    const script = `wget -q -O - http://${outsideAddress.ipv4}:${port}/bytes/300000 | sha256sum; hostname; exit 5`;
    const { status, stdout, stderr } = await user.call([
      'run',
      ...guestArgs(user, 'rl-linux', {
        service: 'linux',
        options: ['--rm', '--hostname', 'some-linux'],
        args: shell(script),
      }),
    ]);
    t.equal(status, 5, stderr);
    t.equal(stdout, `${sha256(sampleBytes(300000))}  -\nsome-linux\n`);
  });

  t.test('guests with disks and volumes write as the user', async (t) => {
    const { user } = started();
    const folder = join('/var/local', `ucrun-user-1`, 'data');
    await user.runAs('mkdir', ['-p', folder]);
    for (const service of ['linux', 'linux-disk'] as const) {
      const name = `rl-${service}`;
      const args = guestArgs(user, name, {
        service,
        options: ['--volume', `${folder}:/data`],
        args: shell(`echo ${service} >/data/${service}; echo x >/srv/x; cat /data/${service}`),
      });
      t.teardown(() => user.remove(name));
      const { status, stdout, stderr } = await user.call(['run', ...args]);
      t.equal(status, 0, stderr);
      t.equal(stdout, `${service}\n`);
      t.equal(
        (await stat(join(folder, service))).uid,
        user.uid,
        "root's in the container is the user's outside",
      );
      const traces = await tracesOf(user, name);
      await user.remove(name);
      await nothingLeft(traces);
    }
  });

  t.test('unikernels and plain containers of a network know each other by name', async (t) => {
    const { user, port } = started();
    const network = 'rl-network';
    await outputOf(user, ['network', 'create', network]);
    t.teardown(() => outputOf(user, ['network', 'rm', '--force', network]));
    const joined = ['--network', network];
    await startGuest(t, user, 'rl-named', {
      service: 'hello',
      options: [...joined, '--publish', '18301:8080'],
    });
    const serve = ['httpd', '-f', '-p', '80', '-h', '/etc'];
    await outputOf(user, ['run', '--detach', '--name', 'rl-plain', ...joined, plainImage, ...serve]);
    t.teardown(() => user.remove('rl-plain'));

    t.match(await firstAnswer('http://127.0.0.1:18301/'), /"hello"/);
    const ask = ['exec', 'rl-plain', 'wget', '-q', '-O', '-', 'http://rl-named:8080/'];
    t.match(await outputOf(user, ask), /"hello"/, 'the plain one asks the unikernel');
    const script = `wget -q -O - http://rl-plain/group; wget -q -O - http://rl-named:8080/; wget -q -O - http://${outsideAddress.ipv4}:${port}/bytes/9 | wc -c`;
    const { stdout, stderr } = await user.call([
      'run',
      ...guestArgs(user, 'rl-asking', {
        service: 'linux',
        options: ['--rm', ...joined],
        args: shell(script),
      }),
    ]);
    t.match(stdout, /^root:x:0:\nuser:x:1000:\n\{"name":"hello".*\}\s*9\n$/s, stderr);
  });

  t.test("on the host's network its port is the host's", async (t) => {
    const { user } = started();
    await startGuest(t, user, 'rl-host', {
      service: 'hello',
      options: ['--network', 'host', '--env', 'PORT=18302:8080'],
    });
    t.match(await firstAnswer('http://127.0.0.1:18302/'), /"hello"/);
  });

  t.test('a killed QEMU leaves nothing', async (t) => {
    const { user } = started();
    const name = 'rl-killed';
    const traces = await startGuest(t, user, name, { service: 'hello' });
    process.kill(await monitorOf(user, name), 'SIGKILL');
    t.equal(await outputOf(user, ['wait', name]), '137');
    t.equal(await inspect(user, name, '{{.State.Status}}'), 'exited');
    await user.remove(name);
    await nothingLeft(traces);
  });
}
