import { constants } from 'node:os';
import t from 'tap';
import { parseSignal, type SignalMeaning, signalMeaning } from '../../src/unikernel/signals.ts';

t.test('parseSignal() knows the numbers that this host has', async (t) => {
  // Node lists other names for the same signals, too.
  const aliases = new Set(['SIGIOT', 'SIGPOLL', 'SIGUNUSED']);
  for (const [name, number] of Object.entries(constants.signals)) {
    if (aliases.has(name)) continue;
    t.equal(parseSignal(name), number, name);
    t.equal(parseSignal(name.slice(3)), number);
    t.equal(parseSignal(name.toLowerCase()), number);
    t.equal(parseSignal(String(number)), number);
  }
});

t.test('parseSignal() reads every spelling', async (t) => {
  const cases: readonly [text: string, number: number | undefined][] = [
    ['0', 0],
    ['9', 9],
    ['09', 9],
    ['64', 64],
    ['65', undefined],
    ['99', undefined],
    ['100', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['RTMIN', 34],
    ['SIGRTMIN', 34],
    ['SIGRTMIN+3', 37],
    ['rtmin+3', 37],
    ['RTMIN+30', 64],
    ['RTMIN+31', undefined],
    ['RTMIN-1', undefined],
    ['RTMAX', 64],
    ['RTMAX-14', 50],
    ['RTMAX-31', undefined],
    ['RTMAX+1', undefined],
    ['RTMIN+', undefined],
    ['', undefined],
    ['SIG', undefined],
    ['SIGSIGTERM', undefined],
    ['TERMINATE', undefined],
    ['toString', undefined],
    ['__proto__', undefined],
    [' 15', undefined],
  ];
  for (const [text, number] of cases) t.equal(parseSignal(text), number, JSON.stringify(text));
});

t.test('signalMeaning() is the table that docs/signals.md describes', async (t) => {
  const meanings: Readonly<Record<Exclude<SignalMeaning, 'ignored'>, readonly string[]>> = {
    'power-button': ['TERM', 'INT', 'QUIT', 'HUP', 'PWR', 'RTMIN+3'],
    kill: ['KILL'],
    pause: ['STOP', 'TSTP'],
    resume: ['CONT'],
  };
  const expected = new Map<number | undefined, SignalMeaning>();
  for (const [meaning, names] of Object.entries(meanings))
    for (const name of names) expected.set(parseSignal(name), meaning as SignalMeaning);
  for (let signal = 1; signal <= 64; signal++)
    t.equal(signalMeaning(signal), expected.get(signal) ?? 'ignored', `signal ${signal}`);
});
