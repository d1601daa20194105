import t from 'tap';
import { nanos } from '../../../src/unikernel/guests/nanos.ts';
import type { GuestVolume } from '../../../src/unikernel/volumes.ts';
import { bothFamilies, nothing } from '../support/guest-inputs.ts';

const data: GuestVolume = {
  kind: 'share',
  driver: '9p',
  tag: 'fs1',
  path: '/data',
  readOnly: false,
  file: undefined,
};

t.test('nanos.commandLine() is empty, whatever the guest is to be told', async (t) => {
  const full = {
    ...nothing,
    cmdline: 'x',
    args: ['a'],
    env: ['A=b'],
    network: bothFamilies,
    volumes: [data],
  };
  t.equal(nanos.commandLine(full), '');
  t.equal(nanos.commandLine(nothing), '');
});

t.test('nanos.commandLine() refuses a volume that is a file', async (t) => {
  t.throws(() => nanos.commandLine({ ...nothing, volumes: [{ ...data, file: 'one' }] }), {
    code: 'VOLUME_UNSUPPORTED',
    message:
      'volume "/data" cannot be given to a guest of type "nanos": it can mount a directory, and no single file',
  });
});
