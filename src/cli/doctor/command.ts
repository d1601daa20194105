import { isErrno } from '../../base/errno.ts';
import { print } from '../print.ts';
import { table } from '../table.ts';
import { ucrunVersion } from '../versions.ts';
import { type Check, type CheckStatus, not, ok } from './check.ts';
import { type DoctorContext, doctorContext } from './context.ts';
import { engineChecks, installedEngines, needOf } from './engines.ts';
import { kernelChecks } from './kernel.ts';
import { machineChecks } from './machines.ts';
import { programChecks } from './programs.ts';
import { registryChecks } from './registry.ts';
import { rootlessChecks } from './rootless.ts';
import { findStale, staleCheck } from './stale.ts';

/** The options of `doctor`. */
export interface DoctorOptions {
  readonly json: boolean;
  /** Remove what is stale. */
  readonly fix: boolean;
}

/**
 * `doctor`: look at all that ucrun needs of this host, and say what to do about what is not as it should be.
 * @returns 1 if something keeps unikernels from running, else 0
 */
export async function runDoctor({ json, fix }: DoctorOptions, env: NodeJS.ProcessEnv): Promise<number> {
  const context = await doctorContext(env);
  const checks = await allChecks(context, fix);
  const worst = worstOf(checks);
  const text = json
    ? `${JSON.stringify({ status: worst, checks }, undefined, 2)}\n`
    : `${checkTable(checks)}\n${summary(worst)}\n`;
  print(text);
  return worst === 'problem' ? 1 : 0;
}

/** The checks as people read them: what to do is below what was found. Pure. */
export function checkTable(checks: readonly Check[]): string {
  return table(
    checks.flatMap(({ what, status, found, remedy }) => [
      [marks[status], what, found],
      ...(remedy === undefined ? [] : [['', '', `→ ${remedy}`]]),
    ]),
  );
}

const marks: Readonly<Record<CheckStatus, string>> = {
  ok: 'ok',
  note: '-',
  warning: 'warning',
  problem: 'PROBLEM',
};

const order: readonly CheckStatus[] = ['ok', 'note', 'warning', 'problem'];

function worstOf(checks: readonly Check[]): CheckStatus {
  return order[Math.max(0, ...checks.map(({ status }) => order.indexOf(status)))] ?? 'ok';
}

function summary(worst: CheckStatus): string {
  switch (worst) {
    case 'problem':
      return 'something keeps unikernels from running, see PROBLEM above';
    case 'warning':
      return 'unikernels can run; what is marked "warning" works less well than it could';
    default:
      return 'unikernels can run';
  }
}

async function allChecks(context: DoctorContext, fix: boolean): Promise<readonly Check[]> {
  const engines = installedEngines(context);
  return [
    ok('ucrun', `${ucrunVersion()} (${process.execPath})`),
    ...configChecks(context),
    ...programChecks(context, engines.map(needOf)),
    ...kernelChecks(context),
    ...engineChecks(context, engines),
    ...rootlessChecks(context),
    ...(await unlessClosed('registry', () => registryChecks(context))),
    ...(await unlessClosed('machines', () => machineChecks(context))),
    ...(await unlessClosed('stale state', () => staleCheck(findStale(context), fix))),
  ];
}

/** What this user may not look at is told, and keeps nothing else from being looked at. */
async function unlessClosed(
  what: string,
  look: () => readonly Check[] | Promise<readonly Check[]>,
): Promise<readonly Check[]> {
  try {
    return await look();
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EPERM')) throw error;
    return [not('note', what, `this user may not look into ${error.path}`, 'run it as root for that')];
  }
}

/** A mistake in the configuration stops new containers. */
function configChecks({ problems }: DoctorContext): readonly Check[] {
  if (problems.length === 0) return [ok('configuration', 'can be read')];
  return problems.map(({ message, hint }) => not('problem', 'configuration', message, hint ?? 'correct it'));
}
