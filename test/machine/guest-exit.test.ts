import t from 'tap';
import { guestExit, type MachineEnd, successStatuses } from '../../src/machine/guest-exit.ts';

const end: MachineEnd = {
  qemuStatus: 0,
  statusByte: undefined,
  klogStatus: undefined,
  wasStopped: false,
  wasSwitchedOff: false,
  errors: [],
  lastEvents: '',
  exitValues: {},
};
const event = (reason: string) => `{"timestamp": {}, "event": "SHUTDOWN", "data": {"reason": "${reason}"}}\n`;

const cases: readonly [what: string, end: Partial<MachineEnd>, status: number, problem?: string][] = [
  ['a power-off', { lastEvents: event('guest-shutdown') }, 0],
  ['a status, whatever QEMU says', { statusByte: 7, qemuStatus: 1 }, 7],
  ['a status of 0', { statusByte: 0, qemuStatus: 3 }, 0],
  ['a value at the exit port', { qemuStatus: 15 }, 7],
  ['0 at the exit port', { qemuStatus: 1 }, 0],
  ['QEMU itself failed', { qemuStatus: 1, errors: ['qemu: no', ''] }, 125, 'qemu: no'],
  ['warnings are no failure', { qemuStatus: 1, errors: ['qemu: warning: x'] }, 0],
  ['QEMU was never there', { qemuStatus: undefined }, 125, 'QEMU could not be started'],
  ['the shell had no QEMU', { qemuStatus: 127, errors: ['sh: not found'] }, 125, 'sh: not found'],
  ['it was switched off', { wasStopped: true, wasSwitchedOff: true }, 143],
  ['a panic', { lastEvents: event('guest-panic') }, 134, 'the guest panicked'],
  ['a reset', { lastEvents: event('guest-reset') }, 134, 'the guest reset itself'],
  ['a reset when asked to end', { lastEvents: event('guest-reset'), wasStopped: true }, 0],
  ['somebody ended QEMU', { lastEvents: event('host-signal') }, 143],
  [
    'QEMU stopped it',
    { lastEvents: '"status": "internal-error"' },
    125,
    'QEMU stopped the machine: internal-error',
  ],
  ['QEMU was killed', { qemuStatus: 137 }, 137, 'QEMU was killed'],
  ['a custom of its kind: ended', { qemuStatus: 83, exitValues: { 41: 'ended' } }, 0],
  [
    'a custom of its kind: crashed',
    { qemuStatus: 85, exitValues: { 42: 'crashed' } },
    134,
    'the guest panicked',
  ],
  ['Nanos left its code', { klogStatus: 9 }, 9],
  ['Nanos was asked to end', { klogStatus: 15, wasStopped: true }, 143],
  ['a death by signal', { qemuStatus: 139 }, 139],
];

t.test('guestExit()', async (t) => {
  for (const [what, changed, status, problem] of cases)
    t.strictSame(guestExit({ ...end, ...changed }), { status, problem }, what);
});

t.test('successStatuses() are those that guestExit() takes for 0', async (t) => {
  const exitValues = { 41: 'ended', 42: 'crashed' } as const;
  t.strictSame(successStatuses(exitValues), [1, 83]);
  for (const qemuStatus of successStatuses(exitValues))
    t.equal(guestExit({ ...end, qemuStatus, exitValues }).status, 0);
});
