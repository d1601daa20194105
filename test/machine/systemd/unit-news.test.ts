import t from 'tap';
import { concernsUs } from '../../../src/machine/systemd/unit-news.ts';

const cases: readonly (readonly [line: string, is: boolean])[] = [
  ['{"UNIT":"ucrun-web.service"}', true],
  ['{"USER_UNIT":"ucrun-web.socket","_BOOT_ID":"1"}', true],
  ['{"UNIT":"ucrunproxy-web.service"}', true],
  ['{"UNIT":"ssh.service"}', false],
  ['{"UNIT":["ucrun-a.service"]}', true],
  ['{"__CURSOR":"s=1"}', true],
  ['no JSON', false],
];

for (const [line, is] of cases)
  t.test(`concernsUs of ${line}`, async (t) => {
    t.equal(concernsUs(line), is);
  });
