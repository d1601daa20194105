import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ContainerCall } from '../../src/runtime/container.ts';
import { chooseMonitorUser } from '../../src/runtime/monitor-user.ts';
import { pathsOf } from '../../src/runtime/state-dir.ts';
import { defaultConfig } from '../../src/unikernel/config-defaults.ts';
import { capturedSpec, specWith } from '../unikernel/support/fixtures.ts';

function callIn(t: Test): ContainerCall {
  const never = () => {
    throw new Error('crun was asked for');
  };
  return {
    id: 'id',
    paths: pathsOf(join(t.testdir(), 'run-crun:id')),
    line: { globalArgs: [], options: [], verb: 'create', verbArgs: [] } as never,
    env: {},
    config: defaultConfig,
    crun: never,
    self: '/ucrun',
    isHostRoot: true,
    log: () => {},
  };
}

const claimsOf = ({ paths }: ContainerCall) => readdirSync(paths.stateRoot);

t.test('chooseMonitorUser() without volumes takes a user of its own out of the pool', async (t) => {
  const call = callIn(t);
  const { uidBase, uidCount } = defaultConfig.vmm;
  const { user, hostUid } = chooseMonitorUser(call, capturedSpec('podman-bridge'), false);
  t.ok(hostUid >= uidBase && hostUid < uidBase + uidCount);
  t.strictSame(user, { uid: hostUid, gid: hostUid }, 'and no further groups');
  t.strictSame(claimsOf(call), [`uid-${hostUid}`]);
  t.equal(readlinkSync(join(call.paths.stateRoot, `uid-${hostUid}`)), call.paths.directory);
});

t.test("chooseMonitorUser() without volumes takes a user of the container's namespace", async (t) => {
  const call = callIn(t);
  const { user, hostUid } = chooseMonitorUser(call, capturedSpec('podman-userns'), false);
  t.ok(user.uid >= 32768 && user.uid < 65536, 'far from the ids that images use');
  t.equal(hostUid, user.uid + 100000);
  t.equal(user.gid, user.uid);
  t.strictSame(claimsOf(call), [`uid-${hostUid}`]);
});

t.test("chooseMonitorUser() with volumes is the container's own user, out of no pool", async (t) => {
  const userns = {
    namespaces: [{ type: 'user' }],
    uidMappings: [
      { containerID: 0, hostID: 100000, size: 1000 },
      { containerID: 1000, hostID: 5000, size: 1 },
    ],
  };
  const joined = { ...userns, namespaces: [{ type: 'pid' }] };
  const cases: readonly [user: object | undefined, linux: object, uid: number, hostUid: number][] = [
    [undefined, {}, 0, 0],
    [{ uid: 0, gid: 0 }, {}, 0, 0],
    [{ uid: 1000, gid: 100, additionalGids: [4, 27] }, {}, 1000, 1000],
    [{ uid: 0, gid: 0 }, userns, 0, 100000],
    [{ uid: 999, gid: 0 }, userns, 999, 100999],
    [{ uid: 1000, gid: 0 }, userns, 1000, 5000],
    // Mappings without a namespace of the container's own map nothing.
    [{ uid: 7, gid: 0 }, joined, 7, 7],
    [{ uid: 7, gid: 0 }, { namespaces: [{ type: 'user', path: '/proc/1/ns/user' }] }, 7, 7],
  ];
  for (const [user, linux, uid, hostUid] of cases) {
    const call = callIn(t);
    const spec = specWith({ process: { user }, linux });
    const chosen = chooseMonitorUser(call, spec, true);
    const shown = JSON.stringify([user, linux]);
    t.strictSame(chosen, { user: { gid: 0, additionalGids: [], ...user, uid }, hostUid }, shown);
    t.strictSame(claimsOf(call), [], shown);
  }
});

t.test('chooseMonitorUser() with volumes keeps of the user what its rights are', async (t) => {
  const spec = specWith({ process: { user: { uid: 1, gid: 2, umask: 18, username: 'x' } } });
  const { user } = chooseMonitorUser(callIn(t), spec, true);
  t.strictSame(user, { uid: 1, gid: 2, additionalGids: [] });
  t.strictSame(chooseMonitorUser(callIn(t), capturedSpec('docker-volume'), true).user, {
    uid: 0,
    gid: 0,
    additionalGids: [0],
  });
});

t.test("chooseMonitorUser() with volumes refuses a user that the container's namespace lacks", async (t) => {
  const spec = specWith({
    process: { user: { uid: 70000, gid: 0 } },
    linux: { namespaces: [{ type: 'user' }], uidMappings: [{ containerID: 0, hostID: 100000, size: 65536 }] },
  });
  t.throws(() => chooseMonitorUser(callIn(t), spec, true), {
    code: 'SPEC_INVALID',
    message: "process.user.uid 70000 is not mapped in the container's user namespace",
  });
});
