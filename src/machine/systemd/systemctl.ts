import { setTimeout as delay } from 'node:timers/promises';
import { RuntimeError } from '../../base/runtime-error.ts';
import { requireTool } from '../../host/tools.ts';
import type { Scope } from '../places.ts';
import { isSystemdThere } from './booted.ts';

/** How long a systemd that starts anew may take on a busy host. */
const answerTimeoutMs = 15_000;
const retryMs = 100;

/** How the service manager of one scope is spoken to. */
export class Systemctl {
  readonly #scope: Scope;
  readonly #env: NodeJS.ProcessEnv;

  constructor(scope: Scope, env: NodeJS.ProcessEnv) {
    this.#scope = scope;
    this.#env = env;
  }

  /**
   * Have something done.
   * @param purpose what for, as in `cannot start machine "x"`
   * @throws RuntimeError SYSTEMD_FAILED with what it said
   */
  async run(args: readonly string[], purpose: string): Promise<void> {
    const { isDone, words } = await this.attempt(args);
    if (isDone) return;
    throw new RuntimeError('SYSTEMD_FAILED', `${purpose}: systemd refused`, {
      hint: `systemctl says: ${words}`,
    });
  }

  /** The same, for what may well fail. */
  async attempt(args: readonly string[]): Promise<{ readonly isDone: boolean; readonly words: string }> {
    const result = await this.#call(args);
    const words = result.stderr.trim().split('\n')[0] ?? '';
    return { isDone: result.exitCode === 0, words: words || `status ${result.exitCode}` };
  }

  /**
   * Properties of units, as many answers as there are units, in their order. A unit that is not there has a LoadState of its own. A
   * systemd that starts anew answers for none of them, or for some, until it has.
   * @returns nothing where there is no systemd
   * @throws RuntimeError SYSTEMD_FAILED if it does not answer for long
   */
  async show(
    units: readonly string[],
    properties: readonly string[],
  ): Promise<readonly Readonly<Record<string, string>>[]> {
    if (units.length === 0) return [];
    const deadline = performance.now() + answerTimeoutMs;
    for (;;) {
      const { stdout, stderr } = await this.#call([
        'show',
        `--property=${properties.join(',')}`,
        '--',
        ...units,
      ]);
      const shown = parseShow(stdout);
      if (shown.length === units.length || !isSystemdThere(this.#scope, this.#env)) return shown;
      if (performance.now() > deadline) {
        throw new RuntimeError('SYSTEMD_FAILED', 'systemd does not say how the units of machines are', {
          hint: `systemctl says: ${stderr.trim().split('\n')[0]}`,
        });
      }
      await delay(retryMs);
    }
  }

  async #call(
    args: readonly string[],
  ): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }> {
    const program = requireTool('systemctl', this.#env.PATH);
    const { execa } = await import('execa');
    const options = this.#scope === 'user' ? ['--user'] : [];
    const result = await execa(program, [...options, '--no-ask-password', '--no-pager', ...args], {
      env: { ...this.#env, SYSTEMD_COLORS: '0', LC_ALL: 'C.UTF-8' },
      extendEnv: false,
      stdin: 'ignore',
      reject: false,
    });
    return {
      exitCode: result.exitCode ?? 1,
      stdout: String(result.stdout ?? ''),
      stderr: String(result.stderr ?? ''),
    };
  }
}

/** What `systemctl show` prints: `KEY=VALUE` lines, an empty one between units. */
export function parseShow(text: string): readonly Readonly<Record<string, string>>[] {
  return text
    .trim()
    .split(/\n\n+/)
    .filter((block) => block !== '')
    .map((block) =>
      Object.fromEntries(
        block.split('\n').flatMap((line) => {
          const at = line.indexOf('=');
          return at === -1 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
        }),
      ),
    );
}
