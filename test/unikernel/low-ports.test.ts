import t from 'tap';
import { type LowPortRequest, planPortStart } from '../../src/unikernel/low-ports.ts';
import { parsePorts } from '../../src/unikernel/ports.ts';

function start(ports: string, change: Partial<LowPortRequest> = {}): number | undefined {
  return planPortStart({
    mode: 'user',
    isHostNetwork: false,
    isShared: false,
    isRootless: false,
    hasTun: true,
    ports: parsePorts(ports, 'PORT'),
    engineStart: undefined,
    sharedStart: () => {
      throw new Error('nothing of a shared namespace was to be asked');
    },
    ...change,
  });
}

t.test("planPortStart() is the lowest outer port in a namespace of the container's own", async (t) => {
  t.equal(start('8080,443,80/udp'), 80);
  t.equal(start('1023'), 1023);
  t.equal(start('80', { mode: 'auto', isRootless: true }), 80);
  t.equal(start('80', { mode: 'auto', hasTun: false }), 80);
  t.equal(start('80', { mode: 'auto', isToldAddress: false }), 80);
});

t.test('planPortStart() is nothing where everyone may listen, or nobody has to', async (t) => {
  for (const ports of ['', '1024', '8080:80', '65535']) {
    t.equal(start(ports), undefined, ports);
    t.equal(start(ports, { isHostNetwork: true }), undefined, `${ports} on the host`);
  }
  t.equal(start('80', { mode: 'auto' }), undefined, 'a tap');
  t.equal(start('80', { mode: 'tap', isRootless: true }), undefined);
  t.equal(start('80', { mode: 'none', isHostNetwork: true }), undefined);
});

t.test("planPortStart() asks a namespace that is others', too", async (t) => {
  const shared: readonly Partial<LowPortRequest>[] = [
    { mode: 'auto', isHostNetwork: true },
    { mode: 'user', isHostNetwork: true },
    { mode: 'auto', isShared: true },
    { mode: 'user', isShared: true },
  ];
  for (const change of shared) {
    for (const value of [0, 79, 80])
      t.equal(start('80', { ...change, sharedStart: () => value }), undefined, `allowed from ${value} on`);
    for (const value of [81, 1024])
      t.throws(() => start('8080,80', { ...change, sharedStart: () => value }), {
        code: 'PORT_INVALID',
        message: `port 80/tcp is too low: QEMU, as an ordinary user, may listen from port ${value} on`,
        hint: /PORT=8080:80, .*sysctl net\.ipv4\.ip_unprivileged_port_start=80 (on the host|for the pod)/,
      });
  }
  t.throws(() => start('53:5353/udp', { isHostNetwork: true, sharedStart: () => 1024 }), {
    message: /^port 53\/udp /,
    hint: /PORT=8053:5353\/udp,/,
  });
});

t.test("planPortStart() leaves the engine's own value alone", async (t) => {
  t.equal(start('80', { engineStart: '0' }), undefined);
  t.equal(start('80', { engineStart: '80', isShared: true }), undefined);
  t.throws(() => start('80', { engineStart: '443' }), {
    code: 'PORT_INVALID',
    message: /from port 443 on$/,
    hint: /for the container$/,
  });
});
