import { RuntimeError } from '../../base/runtime-error.ts';
import { compareVersions, firstLenientVersion, parseCrunVersion } from '../../forward/crun-version.ts';
import { findCrun } from '../../forward/find-crun.ts';
import { findEngineProgram } from '../../host/find-engine.ts';
import { findPasst } from '../../host/find-passt.ts';
import { findQemu } from '../../host/find-qemu.ts';
import { findVirtiofsd } from '../../host/find-virtiofsd.ts';
import { runProgram } from '../../host/processes.ts';
import { parseQemuVersion } from '../versions.ts';
import { type Check, not, ok } from './check.ts';
import type { DoctorContext } from './context.ts';

/** The programs that ucrun drives. */
export function programChecks(context: DoctorContext, engines: readonly EngineNeed[]): readonly Check[] {
  return [
    ...crunChecks(context, engines),
    ...qemuChecks(context),
    ...networkTools(context),
    ...optionalTools(context),
  ];
}

/** An engine that is installed, as far as it matters to crun. */
export interface EngineNeed {
  readonly title: string;
  /** Whether it writes specifications of version 1.2, which old cruns refuse. */
  readonly writesNewSpecs: boolean;
}

/** What a crun of some version is good for. Pure. */
export function crunCheck(path: string, version: string | undefined, engines: readonly EngineNeed[]): Check {
  if (version === undefined)
    return not('problem', 'crun', `${path} does not say its version`, 'reinstall crun');
  const found = `${version} (${path})`;
  if (compareVersions(version, firstLenientVersion) >= 0) return ok('crun', found);
  const needed = firstLenientVersion.join('.');
  const refused = engines.filter(({ writesNewSpecs }) => writesNewSpecs).map(({ title }) => title);
  return refused.length === 0
    ? not(
        'note',
        'crun',
        `${found}, too old for podman 5 and containerd 2`,
        `with one of them install crun ${needed} or newer`,
      )
    : not(
        'problem',
        'crun',
        `${found}, too old for ${refused.join(' and ')}`,
        `install crun ${needed} or newer`,
      );
}

/** Whether QEMU has the machines that guests run on. Pure. */
export function machinesCheck(list: string): Check {
  const has = (name: string) => new RegExp(`^${name}\\b`, 'm').test(list);
  const found = ['microvm', 'q35'].filter(has);
  const missing = ['microvm', 'q35'].filter((name) => !has(name));
  if (missing.length === 0) return ok('QEMU machines', found.join(', '));
  return not(
    found.length === 0 ? 'problem' : 'warning',
    'QEMU machines',
    `no ${missing.join(', no ')}`,
    'install the whole of QEMU: qemu-system-x86',
  );
}

function crunChecks({ config, env }: DoctorContext, engines: readonly EngineNeed[]): readonly Check[] {
  return orProblem('crun', () => {
    const path = findCrun(config.crun, env.PATH);
    return [crunCheck(path, parseCrunVersion(runProgram(path, ['--version'], { env: {} }).stdout), engines)];
  });
}

function qemuChecks({ config, env }: DoctorContext): readonly Check[] {
  return orProblem('QEMU', () => {
    const path = findQemu(config.vmm.qemu, env.PATH);
    const version = parseQemuVersion(runProgram(path, ['--version'], { env: {} }).stdout);
    if (version === undefined)
      return [not('problem', 'QEMU', `${path} does not run`, 'reinstall QEMU: qemu-system-x86')];
    const machines = runProgram(path, ['-machine', 'help'], { env: {} }).stdout;
    return [ok('QEMU', `${version} (${path})`), machinesCheck(machines)];
  });
}

/** What a tap takes; behind the user network stack guests need none of them. */
function networkTools({ config, env }: DoctorContext): readonly Check[] {
  const isNeeded = config.network.mode === 'auto' || config.network.mode === 'tap';
  const packages = { ip: 'iproute2', tc: 'iproute2 (Fedora: iproute-tc)', nsenter: 'util-linux' } as const;
  const missing = Object.entries(packages).filter(
    ([name]) => findEngineProgram(name, env.PATH) === undefined,
  );
  if (missing.length === 0) return [ok('network tools', Object.keys(packages).join(', '))];
  const names = missing.map(([name]) => name).join(', ');
  const remedy = `install ${[...new Set(missing.map(([, name]) => name))].join(', ')}`;
  return [not(isNeeded ? 'problem' : 'note', 'network tools', `${names} missing`, remedy)];
}

function optionalTools({ config: { vmm, network }, env }: DoctorContext): readonly Check[] {
  const skopeo = findEngineProgram('skopeo', env.PATH);
  const moves = 'image pull, push and import from image registries: install skopeo';
  return [
    orNot(
      'virtiofsd',
      () => findVirtiofsd(vmm.virtiofsd, env.PATH),
      vmm.virtiofsd === undefined ? 'note' : 'warning',
      'unikernels with "share": "virtiofs"',
    ),
    orNot(
      'passt',
      () => findPasst(vmm.passt, env.PATH),
      network.mode === 'passt' ? 'problem' : vmm.passt === undefined ? 'note' : 'warning',
      'network.mode "passt"',
    ),
    skopeo === undefined ? not('note', 'skopeo', 'missing', `only for ${moves}`) : ok('skopeo', skopeo),
  ];
}

/**
 * A program that only some need.
 * @param status if it is missing: a note, unless the configuration speaks of it
 */
function orNot(what: string, find: () => string, status: Exclude<Check['status'], 'ok'>, use: string): Check {
  try {
    return ok(what, find());
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    return status === 'note'
      ? not(status, what, 'missing', `only for ${use}: install ${what}`)
      : not(status, what, error.message, error.hint ?? '');
  }
}

function orProblem(what: string, look: () => readonly Check[]): readonly Check[] {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    return [not('problem', what, error.message, error.hint ?? 'install it')];
  }
}
