/** Machines as systemd's administrators know services: main process, restart, boot, dependencies, sockets, repair. */
import t, { type Test } from 'tap';
import { type MachineHost, Machines } from './support/machine/subject.ts';
import { BootedSystem, systemdIsMissing } from './support/systemd-tree.ts';
import { waitFor } from './support/wait.ts';

t.test('machines in a booted systemd', { skip: systemdIsMissing, timeout: 280_000 }, async (t) => {
  const system = await BootedSystem.boot(t, 'ms-system');
  await system.startUserManager();
  const system_: MachineHost = {
    options: ['--systemd'],
    manager: 'systemd',
    run: (args, options) => system.run(args, options),
  };
  const machines = new Machines(system_, 'ucrun');
  const show = async (name: string, property: string) =>
    await system.output(['systemctl', 'show', '--value', `--property=${property}`, `ucrun-${name}.service`]);
  const exposureOf = async (name: string) => {
    const text = await system.output([
      ...['systemd-analyze', 'security', '--no-pager', `ucrun-${name}.service`],
    ]);
    return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(text)?.[1] ?? 10);
  };
  const subtest = (what: string, names: readonly string[], check: (t: Test) => Promise<void>) =>
    t.test(what, async (t) => {
      t.teardown(() => machines.remove(...names));
      await check(t);
    });

  for (const host of [
    system_,
    { ...system_, run: (args, options) => system.runAsUser(args, options) } satisfies MachineHost,
  ]) {
    const isUser = host !== system_;
    await t.test(`a life under ${isUser ? 'the user' : 'the system'} manager`, async (t) => {
      const own = new Machines(host, 'ucrun');
      t.teardown(() => own.remove('life'));
      const systemctl = async (...args: readonly string[]) =>
        (await host.run(['systemctl', ...(isUser ? ['--user'] : []), ...args])).stdout;
      await own.create('life', ['--memory', '32MiB', 'hello']);
      await own.do('start', 'life');
      const status = await systemctl('status', '--no-pager', 'ucrun-life.service');
      t.match(status, /Active: active \(running\)/);
      t.match(status, /Main PID: \d+ \(qemu-system/);
      await own.waitForLog('life', /: ready/);
      await own.do('pause', 'life');
      t.match(await own.inspect('life'), { status: 'paused' });
      await own.do('resume', 'life');
      t.match(await own.inspect('life'), { status: 'running' });
      t.match(await own.do('update', '--restart', 'always', 'life'), /now: restart policy: always/);
      t.equal((await systemctl('show', '--value', '-pRestart', 'ucrun-life.service')).trim(), 'always');
      // systemd forgets a unit that ended well unless something wants it.
      await own.do('enable', 'life');
      await own.do('stop', 'life');
      t.match(await own.inspect('life'), { status: 'exited', exitStatus: 0 });
      const ended = {
        ActiveState: 'inactive',
        Result: 'success',
        StatusText: 'the guest ended with status 0',
      };
      for (const [property, value] of Object.entries(ended)) {
        const shown = await systemctl('show', '--value', `-p${property}`, 'ucrun-life.service');
        t.equal(shown.trim(), value, property);
      }
      await own.do('rm', 'life');
      t.match(await systemctl('show', '--value', '-pLoadState', 'ucrun-life.service'), /not-found/);
    });
  }

  await subtest("a guest's exit status is its unit's", ['fails'], async (t) => {
    await machines.create('fails', ['--kernel-arg', 'exit=5', 'hello']);
    await machines.run('start', 'fails');
    t.match(await machines.waitForStatus('fails', 'exited'), { exitStatus: 5 });
    t.equal(await show('fails', 'ActiveState'), 'failed');
    t.equal(await show('fails', 'StatusText'), 'the guest ended with status 5');
  });

  await subtest(
    'why a machine could not be prepared is what its unit says',
    ['first', 'second'],
    async (t) => {
      for (const name of ['first', 'second']) await machines.create(name, ['--port', '18300:8080', 'hello']);
      await machines.do('start', 'first');
      t.match(await machines.run('start', 'second'), { status: 1, stderr: /port 18300\/tcp is taken/ });
      t.equal(await show('second', 'StatusText'), 'port 18300/tcp is taken by another process (status 125)');
    },
  );

  await subtest('--restart on-failure brings back a QEMU that was killed', ['again'], async (t) => {
    await machines.create('again', ['--restart', 'on-failure', '--restart-sec', '100ms', 'hello']);
    await machines.do('start', 'again');
    const pid = await show('again', 'MainPID');
    await system.output(['kill', '-KILL', pid]);
    await waitFor(
      'another QEMU',
      async () =>
        // systemd may not have noticed yet that the first one is gone.
        (await show('again', 'NRestarts')) === '1' && (await show('again', 'ActiveState')) === 'active',
      60,
    );
    t.not(await show('again', 'MainPID'), pid);
  });

  await subtest('what another machine requires is started before it', ['front', 'back'], async (t) => {
    await machines.create('back', ['--ready-port', '8080', '--port', '18301:8080', 'hello']);
    await machines.create('front', ['--after', 'back', '--requires', 'back', 'hello']);
    await machines.do('start', 'front');
    t.match(await machines.inspect('back'), { status: 'running' });
    const begun = async (name: string) => Number(await show(name, 'ActiveEnterTimestampMonotonic'));
    const asked = Number(await show('front', 'InactiveExitTimestampMonotonic'));
    t.ok((await begun('back')) <= asked, 'and it answered before');
    await machines.do('stop', 'back');
    t.match(await machines.waitForStatus('front', 'exited'), { exitStatus: 0 }, 'it goes with it, too');
    await machines.do('rm', 'back');
    t.match(await machines.run('start', 'front'), { status: 1, stderr: /did not start/ }, 'nor without it');
  });

  await subtest('what runs keeps its limit of memory until it is started again', ['shrinks'], async (t) => {
    await machines.create('shrinks', ['--memory', '64MiB', '--cpus', '1', 'hello']);
    await machines.do('start', 'shrinks');
    const limit = Number(await show('shrinks', 'MemoryMax'));
    const said = await machines.do('update', '--memory', '32MiB', '--cpus', '0.5', 'shrinks');
    t.match(said, /now: processor time: at most 50% of one/);
    t.match(said, /at the next start: memory: 32MiB/);
    t.equal(Number(await show('shrinks', 'MemoryMax')), limit);
    t.match(await machines.run('doctor'), { status: 0 }, 'which is as it should be');
    await machines.do('restart', 'shrinks');
    t.ok(Number(await show('shrinks', 'MemoryMax')) < limit);
  });

  await subtest('a first connection starts a machine, and idleness stops it', ['idle', 'late'], async (t) => {
    const port = ['--port', '18302:8080', '--activate', '--idle-timeout', '2s'];
    await machines.create('idle', [...port, 'hello']);
    await machines.do('start', 'idle');
    t.equal(await show('idle', 'MainPID'), '0', 'there is no QEMU yet');
    await machines.create('late', ['--port', '18302:8080', '--activate', 'hello']);
    t.match(await machines.run('start', 'late'), { status: 1, stderr: /port 18302\/tcp is taken/ });
    const answer = await system.output(['curl', '--silent', '--max-time', '60', 'http://127.0.0.1:18302/']);
    t.match(JSON.parse(answer), { requests: 1 }, 'the first request is answered');
    t.equal(await show('idle', 'ActiveState'), 'active');
    await waitFor(
      'the idle machine to stop',
      async () => (await show('idle', 'ActiveState')) === 'inactive',
      60,
    );
    const again = await system.output(['curl', '--silent', '--max-time', '60', 'http://127.0.0.1:18302/']);
    t.match(JSON.parse(again), { requests: 1 }, 'and the next one is answered by a new one');
  });

  await subtest('what was removed by hand is found and repaired', ['unitless', 'orphan'], async (t) => {
    await machines.create('unitless', ['hello']);
    await system.output(['rm', '/etc/systemd/system/ucrun-unitless.service']);
    await machines.create('orphan', ['hello']);
    await system.output(['rm', '-r', '/var/lib/ucrun/machines/orphan']);
    await system.output(['systemctl', 'daemon-reload']);
    await system.output(['ip', 'tuntap', 'add', 'dev', 'ucm01234567-0', 'mode', 'tap']);
    const found = await machines.run('doctor');
    t.match(found.stdout, /^ucm01234567-0: it is there for .*, which does not run$/m);
    t.match(found.stdout + found.stderr, /unitless/);
    t.match(found.stdout + found.stderr, /orphan/);
    await machines.run('doctor', '--fix');
    await machines.do('start', 'unitless');
    t.match(await machines.inspect('unitless'), { status: 'running' });
    t.not((await system.run(['ls', '/etc/systemd/system/ucrun-orphan.service'])).status, 0);
    t.match(await machines.run('doctor'), { status: 0 }, 'then all is well');
    t.notMatch(await system.output(['ip', '-oneline', 'link']), /ucm/);
  });

  await subtest('watch outlasts reloads and re-executions of systemd', ['seen', 'heard'], async (t) => {
    await machines.create('seen', ['--network', 'none', 'hello']);
    await machines.do('start', 'seen');
    const anew = async () => {
      await system.output(['systemctl', 'daemon-reload']);
      await system.output(['systemctl', 'daemon-reexec']);
    };
    const lines = await machines.watchWhile('seen', async () => {
      await anew();
      await machines.do('pause', 'seen');
      await anew();
      await machines.do('resume', 'seen');
      await anew();
      await system.output(['systemctl', 'stop', 'ucrun-seen.service']);
    });
    t.strictSame(
      lines.map(({ status }) => status),
      ['running', 'paused', 'running', 'stopping', 'exited'],
    );
    // Of this systemd tells, and nobody else.
    await machines.create('heard', ['--port', '18303:8080', '--activate', 'hello']);
    const sockets = await machines.watchWhile(
      'heard',
      async () => {
        await anew();
        await system.output(['systemctl', 'start', 'ucrun-heard.socket']);
      },
      'waiting',
    );
    t.strictSame(
      sockets.map(({ status }) => status),
      ['created', 'waiting'],
    );
  });

  await subtest('a guest on a bridge answers at its own address', ['station', 'ready'], async (t) => {
    t.teardown(() => system.run(['ip', 'link', 'delete', 'ucbr0']));
    for (const command of [
      'link add ucbr0 type bridge',
      'link set ucbr0 up',
      'address add 198.51.100.1/24 dev ucbr0',
    ])
      await system.output(['ip', ...command.split(' ')]);
    const ports = () => system.output(['ip', '-oneline', 'link', 'show', 'master', 'ucbr0']);
    const curl = [
      'curl',
      '--silent',
      '--show-error',
      '--max-time',
      '60',
      '--retry',
      '60',
      '--retry-delay',
      '1',
    ];
    const answerOf = async (address: string) =>
      JSON.parse(await system.output([...curl, '--retry-all-errors', `http://${address}:8080/`])) as object;
    const restart = ['--restart', 'on-failure', '--restart-sec', '100ms'];
    await machines.create('station', ['--network', 'bridge:ucbr0,ip=198.51.100.2/24', ...restart, 'hello']);
    await machines.do('start', 'station');
    t.match(await answerOf('198.51.100.2'), { requests: 1 });
    t.match(await ports(), /alias ucrun:station/);
    t.match(await machines.do('ps', '--format', '{{.Name}} {{.Address}}'), /^station 198\.51\.100\.2$/m);
    const exposure = await exposureOf('station');
    t.ok(exposure <= 1.5, `the exposure is ${exposure}`);

    const pid = await show('station', 'MainPID');
    await system.output(['kill', '-KILL', pid]);
    await waitFor(
      'another QEMU',
      async () =>
        (await show('station', 'ActiveState')) === 'active' && (await show('station', 'MainPID')) !== pid,
      60,
    );
    t.match(await answerOf('198.51.100.2'), { requests: 1 }, 'also after QEMU was killed');
    await machines.create('ready', [
      '--network',
      'bridge:ucbr0,ip=198.51.100.3/24',
      '--ready-port',
      '8080',
      'hello',
    ]);
    await machines.do('start', 'ready');
    t.match(await answerOf('198.51.100.3'), { requests: 1 });
    await machines.do('stop', 'station');
    await system.output(['kill', '-KILL', await show('ready', 'MainPID')]);
    t.match(await machines.waitForStatus('ready', 'exited'), { exitStatus: 137 });
    t.equal(await ports(), '', 'and nothing is left on the bridge');
  });

  await subtest('a system unit is confined', ['confined'], async (t) => {
    await machines.create('confined', ['hello']);
    const exposure = await exposureOf('confined');
    t.ok(exposure <= 1.5, `the exposure is ${exposure}`);
  });

  await subtest('an enabled machine runs after the host has booted again', ['boots', 'stays'], async (t) => {
    await machines.create('boots', ['hello']);
    await machines.create('stays', ['--network', 'none', 'hello']);
    await machines.do('enable', 'boots');
    await machines.do('start', 'boots', 'stays');
    await system.reboot();
    await machines.waitForStatus('boots', 'running');
    t.not((await machines.inspect('stays')).status, 'running', 'one that is not enabled does not');
  });

  const left = await system.run(['ls', '/etc/systemd/system']);
  t.notMatch(left.stdout, /^ucrun-/m, 'no unit is left');
  const records = await system.run(['ls', '/var/lib/ucrun/machines']);
  t.equal(records.stdout, '', 'nor a record');
});
