/** What a signal means to a container that is a virtual machine. The table is in docs/signals.md. */
export type SignalMeaning = 'power-button' | 'kill' | 'pause' | 'resume' | 'ignored';

/** @see signal(7); numbers of x86-64 and arm64 */
const signals: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  PWR: 30,
  SYS: 31,
};
const realTimeMin = 34;
const realTimeMax = 64;

/**
 * The number of a signal as an engine or a person writes it: `15`, `TERM`, `SIGTERM`, `sigterm`, `RTMIN+3`.
 * @returns undefined if it is none; 0 is one, which only asks whether the process is there
 */
export function parseSignal(text: string): number | undefined {
  if (/^\d{1,2}$/.test(text)) {
    const number = Number(text);
    return number <= realTimeMax ? number : undefined;
  }
  const name = text.toUpperCase().replace(/^SIG/, '');
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realTime === null) return Object.hasOwn(signals, name) ? signals[name] : undefined;
  const base = realTime[1] === 'MIN' ? realTimeMin : realTimeMax;
  const number = base + Number(`${realTime[2] ?? '+'}${realTime[3] ?? 0}`);
  return number >= realTimeMin && number <= realTimeMax ? number : undefined;
}

/** systemd's "halt" signal, which images with an init in them have as their stop signal. */
const realTimeHalt = realTimeMin + 3;

/** What to do for a signal. Signals that tell a program something of its own are accepted and ignored, as a guest cannot hear them. */
export function signalMeaning(signal: number): SignalMeaning {
  switch (signal) {
    case signals.TERM:
    case signals.INT:
    case signals.QUIT:
    case signals.HUP:
    case signals.PWR:
    case realTimeHalt:
      return 'power-button';
    case signals.KILL:
      return 'kill';
    case signals.STOP:
    case signals.TSTP:
      return 'pause';
    case signals.CONT:
      return 'resume';
    default:
      return 'ignored';
  }
}
