import t from 'tap';
import { chooseAccelerator, type KvmProof } from '../../src/unikernel/accelerator.ts';

const works: KvmProof = { works: true, cpu: 'host,migratable=off' };
const fails: KvmProof = { works: false, reason: '/dev/kvm is missing or not accessible' };

t.test('chooseAccelerator() believes the probe guest only', async (t) => {
  t.match(
    chooseAccelerator('auto', () => works),
    { kind: 'kvm', cpu: 'host,migratable=off' },
  );
  t.match(
    chooseAccelerator('kvm', () => works),
    { kind: 'kvm', cpu: 'host,migratable=off' },
  );
  t.strictSame(
    chooseAccelerator('auto', () => fails),
    { kind: 'tcg', cpu: 'max', reason: fails.reason },
  );
});

t.test('chooseAccelerator() asks for no proof where tcg is demanded', async (t) => {
  const never = () => {
    throw new Error('a proof was asked for');
  };
  t.match(chooseAccelerator('tcg', never), { kind: 'tcg', cpu: 'max' });
});

t.test('chooseAccelerator() fails where kvm is demanded and does not work', async (t) => {
  t.throws(() => chooseAccelerator('kvm', () => fails), {
    code: 'KVM_UNAVAILABLE',
    message: 'KVM does not work on this host: /dev/kvm is missing or not accessible',
    hint: /accelerator to "auto" or "tcg"/,
  });
});
