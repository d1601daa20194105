import { accessSync, constants } from 'node:fs';
import { isErrno } from '../../base/errno.ts';
import { RuntimeError } from '../../base/runtime-error.ts';
import { exists, readTextIfThere } from '../../host/files.ts';
import { findQemu } from '../../host/find-qemu.ts';
import { findDevice } from '../../host/host-facts.ts';
import { type ModuleState, moduleState } from '../../host/kernel-module.ts';
import { proveKvm } from '../../host/kvm-proof.ts';
import type { AcceleratorMode, KvmProof } from '../../unikernel/accelerator.ts';
import { type Check, not, ok } from './check.ts';
import type { DoctorContext } from './context.ts';

/** What the kernel has, and lets this user have. */
export function kernelChecks(context: DoctorContext): readonly Check[] {
  const { mode } = context.config.network;
  const needsTap = mode === 'auto' || mode === 'tap';
  return [
    ...kvmChecks(context),
    deviceCheck('/dev/net/tun', accessTo('/dev/net/tun'), {
      status: mode === 'tap' ? 'problem' : mode === 'auto' ? 'warning' : 'note',
      without: 'guests are behind the user network stack',
      load: 'modprobe tun',
    }),
    deviceCheck('/dev/vhost-net', accessTo('/dev/vhost-net'), {
      status: 'note',
      without: "QEMU moves a tap's frames itself",
      load: 'modprobe vhost_net',
    }),
    modulesCheck(
      modules.map((module) => [module.name, moduleState(module)] as const),
      needsTap,
    ),
    cgroupCheck(
      readTextIfThere('/proc/self/mountinfo') ?? '',
      readTextIfThere('/sys/fs/cgroup/unified/cgroup.controllers'),
    ),
    exists('/run/systemd/system')
      ? ok('systemd', 'runs')
      : not(
          'note',
          'systemd',
          'does not run',
          'only for machines as services, and timers of health checks: boot with systemd',
        ),
  ];
}

/** What joins a tap to a container's interface. */
const modules = [
  { name: 'act_mirred', symbol: 'tcf_mirred_init' },
  { name: 'cls_u32', symbol: 'u32_classify' },
  { name: 'sch_ingress', symbol: 'ingress_init' },
] as const;

export type Access = 'open' | 'closed' | 'missing';

/** What KVM's proof means under a configuration. Pure. */
export function kvmCheck(mode: AcceleratorMode, access: Access, proof: KvmProof): Check {
  if (proof.works) return ok('KVM', 'a 64-bit guest ran with it');
  const status = mode === 'kvm' ? 'problem' : mode === 'tcg' ? 'note' : 'warning';
  const remedies: Readonly<Record<Access, string>> = {
    missing: 'load kvm_intel or kvm_amd; in a virtual machine, allow nested virtualisation',
    closed: 'put yourself into the group that owns /dev/kvm (usually kvm), and log in again',
    open: 'in a virtual machine, repair nested virtualisation on its host; QEMU emulates until then, which is slower',
  };
  return not(status, 'KVM', proof.reason, remedies[access]);
}

/** Whether a device can be had. Pure. */
export function deviceCheck(
  path: string,
  access: Access,
  {
    status,
    without,
    load,
  }: { readonly status: 'note' | 'warning' | 'problem'; readonly without: string; readonly load: string },
): Check {
  if (access === 'open') return ok(path, 'is there');
  return access === 'missing'
    ? not(status, path, `missing: ${without}`, `load it: ${load}`)
    : not(
        status,
        path,
        `this user may not open it: ${without}`,
        `have its mode or its group changed: ls -l ${path}`,
      );
}

/** Whether a tap can be joined to an interface. Pure. */
export function modulesCheck(
  found: readonly (readonly [name: string, state: ModuleState])[],
  isNeeded: boolean,
): Check {
  const what = 'kernel modules';
  const withState = (state: ModuleState) => found.filter(([, each]) => each === state).map(([name]) => name);
  const missing = withState('missing');
  const unknown = withState('unknown');
  if (missing.length > 0)
    return not(
      isNeeded ? 'problem' : 'note',
      what,
      `${missing.join(', ')} missing`,
      'install the rest of the kernel (Debian: linux-image, Ubuntu: linux-modules-extra), or set network.mode to "user"',
    );
  if (unknown.length > 0)
    return not(
      'note',
      what,
      `nothing tells whether there are ${unknown.join(', ')}`,
      `try: modprobe --dry-run ${unknown.join(' ')}`,
    );
  const loadable = withState('loadable');
  return ok(
    what,
    loadable.length === 0
      ? found.map(([name]) => name).join(', ')
      : `${loadable.join(', ')} are loaded when needed`,
  );
}

/**
 * Which cgroups there are, from /proc/self/mountinfo. Pure.
 * @param unifiedControllers what a hybrid host's tree of version 2 still has; crun refuses to work beside it
 */
export function cgroupCheck(mountinfo: string, unifiedControllers: string | undefined): Check {
  const what = 'cgroups';
  const types = [...mountinfo.matchAll(/^\S+ \S+ \S+ \S+ (\/sys\/fs\/cgroup\S*) .* - (cgroup2?) /gm)];
  if (types.some(([, place, type]) => place === '/sys/fs/cgroup' && type === 'cgroup2'))
    return ok(what, 'version 2');
  if (types.length === 0)
    return not('problem', what, 'none at /sys/fs/cgroup', 'mount them, as systemd does');
  const left = unifiedControllers?.trim() ?? '';
  if (left === '') return ok(what, 'version 1');
  return not(
    'problem',
    what,
    `a mixture, where version 2 has ${left}: crun does not work with that`,
    'boot with systemd.unified_cgroup_hierarchy=1, or mount these controllers under version 1',
  );
}

function kvmChecks({ config, env, stateRoot }: DoctorContext): readonly Check[] {
  try {
    const proof = proveKvm(stateRoot, findQemu(config.vmm.qemu, env.PATH));
    return [kvmCheck(config.vmm.accelerator, accessTo('/dev/kvm'), proof)];
  } catch (error) {
    // Without QEMU there is nothing to prove, which another line says.
    if (error instanceof RuntimeError) return [];
    if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS')) throw error;
    const remedy = 'set XDG_RUNTIME_DIR to a directory of your own, as a login does';
    return [not('warning', 'KVM', `cannot be tried: ${stateRoot} is not this user's`, remedy)];
  }
}

function accessTo(path: string): Access {
  if (findDevice(path) === undefined) return 'missing';
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return 'open';
  } catch {
    return 'closed';
  }
}
