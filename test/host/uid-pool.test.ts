import { execFile } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { releaseUids, takeUid } from '../../src/host/uid-pool.ts';
import { identityMapping } from '../../src/unikernel/id-mapping.ts';

const range = { first: 5000, count: 4 };

t.test('takeUid() gives each owner another id, until there is none', async (t) => {
  const root = t.testdir();
  const taken = [1, 2, 3, 4].map((owner) => takeUid(root, range, identityMapping, `/state/${owner}`));
  t.strictSame(taken.map(({ hostUid }) => hostUid).sort(), [5000, 5001, 5002, 5003]);
  t.ok(taken.every(({ containerUid, hostUid }) => containerUid === hostUid));
  t.throws(() => takeUid(root, range, identityMapping, '/state/5'), {
    code: 'UID_EXHAUSTED',
    message: 'all 4 user ids from 5000 are in use by unikernel containers',
    hint: /uid_count/,
  });
});

t.test('releaseUids() gives back what an owner has, and nothing of others', async (t) => {
  const root = t.testdir();
  const first = takeUid(root, range, identityMapping, '/state/a');
  takeUid(root, range, identityMapping, '/state/a');
  const other = takeUid(root, range, identityMapping, '/state/a2');
  releaseUids(root, '/state/a');
  t.strictSame(readdirSync(root), [`uid-${other.hostUid}`]);
  releaseUids(root, '/state/a');
  releaseUids(root, '/state/a2');
  t.strictSame(readdirSync(root), []);
  releaseUids(root, '/state/a2');
  t.strictSame(takeUid(root, range, identityMapping, '/state/b'), first, 'a free id is taken again');
});

t.test('releaseUids() leaves what is no claim', async (t) => {
  const root = t.testdir({
    'uid-5000': '',
    'kvm-proof.json': '',
    'uid-5001': t.fixture('symlink', 'uid-5000'),
  });
  releaseUids(root, '/state/a');
  releaseUids(root, '');
  t.strictSame(readdirSync(root).sort(), ['kvm-proof.json', 'uid-5000', 'uid-5001']);
});

t.test("takeUid() counts by the host's ids, since containers map them differently", async (t) => {
  const root = t.testdir();
  const mapping = (hostId: number) => [{ containerId: 0, hostId, size: 65536 }];
  const one = takeUid(root, { first: 40000, count: 1000 }, mapping(100000), '/state/1');
  t.equal(one.hostUid, one.containerUid + 100000);
  const same = takeUid(root, { first: 40000, count: 1000 }, mapping(100000), '/state/2');
  t.not(same.hostUid, one.hostUid);
  const elsewhere = takeUid(root, { first: 40000, count: 1000 }, mapping(200000), '/state/3');
  t.equal(elsewhere.containerUid, one.containerUid, 'of another range of the host’s it may be the same');
});

t.test('takeUid() passes over ids that are not mapped', async (t) => {
  const root = t.testdir();
  const mapping = [{ containerId: 0, hostId: 0, size: 5002 }];
  const taken = [1, 2].map((owner) => takeUid(root, range, mapping, `/state/${owner}`).hostUid);
  t.strictSame(taken.sort(), [5000, 5001]);
  t.throws(() => takeUid(root, range, mapping, '/state/3'), { code: 'UID_EXHAUSTED' });
});

t.test('takeUid() shares the only id where there is only one', async (t) => {
  const root = t.testdir();
  const only = [{ containerId: 0, hostId: 1000, size: 1 }];
  for (const owner of ['/state/1', '/state/2'])
    t.strictSame(takeUid(root, { first: 0, count: 1 }, only, owner), { containerUid: 0, hostUid: 1000 });
  t.strictSame(readdirSync(root), []);
});

t.test(
  'takeUid() in many processes at once gives each another id, while others give theirs back',
  async (t) => {
    const root = t.testdir();
    const pool = join(import.meta.dirname, '../../src/host/uid-pool.ts');
    const script = `
    const { takeUid, releaseUids } = await import(${JSON.stringify(pool)});
    const mapping = [{ containerId: 0, hostId: 0, size: 4294967295 }];
    const [root, name] = process.argv.slice(-2);
    for (let i = 0; i < 100; i++) {
      takeUid(root, { first: 5000, count: 90 }, mapping, name + '/gone');
      releaseUids(root, name + '/gone');
    }
    for (let i = 0; i < 20; i++) console.log(takeUid(root, { first: 5000, count: 90 }, mapping, name + '/' + i).hostUid);`;
    const runs = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name) =>
        promisify(execFile)(process.execPath, [
          '--input-type=module',
          '-e',
          script,
          '--',
          root,
          `/state/${name}`,
        ]),
      ),
    );
    const ids = runs.flatMap(({ stdout }) => stdout.trim().split('\n'));
    t.equal(ids.length, 80);
    t.equal(new Set(ids).size, 80, 'no id was given twice');
    t.strictSame(readdirSync(root).sort(), ids.map((id) => `uid-${id}`).sort());
    for (const name of ['a', 'b', 'c', 'd'])
      for (let i = 0; i < 20; i++) releaseUids(root, `/state/${name}/${i}`);
    t.strictSame(readdirSync(root), []);
    rmSync(root, { recursive: true });
  },
);
