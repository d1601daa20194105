import { findTool } from '../../host/tools.ts';
import type { Scope } from '../places.ts';

/** How soon a journal that could not be read is tried again. */
const retryMs = 10_000;

/**
 * Tells that a service manager has done something with units of ours, by what it says of that in the journal: a pause between two starts, a
 * socket that is opened, a start that fails before ucrun is called. The journal stays when the manager starts anew.
 */
export class UnitNews {
  readonly #scope: Scope;
  readonly #env: NodeJS.ProcessEnv;
  #isReading = false;
  #retryAt = 0;

  constructor(scope: Scope, env: NodeJS.ProcessEnv) {
    this.#scope = scope;
    this.#env = env;
  }

  /**
   * Begin, unless that is done already.
   * @param notice called for each piece of news
   * @returns whether news come
   */
  listen(notice: () => void, signal: AbortSignal): boolean {
    if (this.#isReading || performance.now() < this.#retryAt) return this.#isReading;
    const program = findTool('journalctl', this.#env.PATH);
    if (program === undefined) return false;
    this.#isReading = true;
    void this.#read(program, notice, signal)
      .catch(() => {})
      .finally(() => {
        this.#isReading = false;
        this.#retryAt = performance.now() + retryMs;
        // What came to pass since the last one has to be looked for.
        if (!signal.aborted) notice();
      });
    return true;
  }

  async #read(program: string, notice: () => void, signal: AbortSignal): Promise<void> {
    const { execa } = await import('execa');
    const options = ['--follow', '--lines=0', '--quiet', '--no-pager', '--output=json'];
    const journal = execa(
      program,
      [...options, '--output-fields=UNIT,USER_UNIT', ...managerMatches(this.#scope)],
      {
        env: this.#env,
        extendEnv: false,
        stdin: 'ignore',
        stderr: 'ignore',
        cancelSignal: signal,
        reject: false,
        buffer: false,
      },
    );
    for await (const line of journal) if (concernsUs(line)) notice();
  }
}

/** Fields that the journal itself sets: nobody else can speak as the manager. @see systemd.journal-fields(7), "Trusted Journal Fields" */
function managerMatches(scope: Scope): readonly string[] {
  if (scope === 'system') return ['_PID=1'];
  return ['_SYSTEMD_USER_UNIT=init.scope', `_UID=${process.geteuid?.()}`];
}

/** Whether it is of a unit of ours, or of the manager as a whole. */
export function concernsUs(line: string): boolean {
  try {
    const { UNIT: unit, USER_UNIT: userUnit } = JSON.parse(line) as Readonly<Record<string, unknown>>;
    const name = unit ?? userUnit;
    return name === undefined || /^ucrun(?:proxy)?-/.test(String(name));
  } catch {
    return false;
  }
}
