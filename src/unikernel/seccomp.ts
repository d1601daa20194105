import type { JsonObject } from './spec.ts';

/** A rule of `linux.seccomp.syscalls`. @see runtime-spec config-linux.md, "Seccomp" */
interface SyscallRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly args?: readonly SyscallArgument[];
}

interface SyscallArgument {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_MASKED_EQ';
}

const allow = 'SCMP_ACT_ALLOW';

/** CLONE_NEWUSER, CLONE_NEWIPC, CLONE_NEWNS, CLONE_NEWUTS and CLONE_NEWPID. @see unshare(2) */
const isolatingNamespaces = 0x1000_0000 | 0x0800_0000 | 0x0002_0000 | 0x0400_0000 | 0x2000_0000;

/**
 * What passt calls when it shuts itself off from all files and processes, once and before it talks to anybody: namespaces but that of
 * the network, `mount` with the flags of its two calls (MS_UNBINDABLE | MS_REC; MS_NODEV | MS_NOEXEC | MS_NOSUID | MS_RDONLY),
 * `pivot_root`, and `umount2` with MNT_DETACH | UMOUNT_NOFOLLOW.
 * @see passt isolation.c, isolate_user(), isolate_prefork()
 */
const isolationRules: readonly SyscallRule[] = [
  {
    names: ['unshare'],
    action: allow,
    args: [
      {
        index: 0,
        value: ~isolatingNamespaces >>> 0,
        valueTwo: 0,
        op: 'SCMP_CMP_MASKED_EQ',
      },
    ],
  },
  { names: ['mount'], action: allow, args: [{ index: 3, value: 0x2_4000, op: 'SCMP_CMP_EQ' }] },
  { names: ['mount'], action: allow, args: [{ index: 3, value: 0xf, op: 'SCMP_CMP_EQ' }] },
  { names: ['umount2'], action: allow, args: [{ index: 1, value: 0xa, op: 'SCMP_CMP_EQ' }] },
  { names: ['pivot_root'], action: allow },
];

/**
 * An engine's seccomp profile with what passt needs to isolate itself. podman's allows it anyway, and stays as it is; docker's does not.
 * @param seccomp `linux.seccomp` of a specification; what is no profile stays what it is
 */
export function withIsolationCalls(seccomp: unknown): unknown {
  if (!isObject(seccomp)) return seccomp;
  const rules = listOf(seccomp.syscalls);
  const isAllowed = (name: string) =>
    rules.some((rule) => rule.action === allow && listOf(rule.args).length === 0 && names(rule).has(name));
  const missing = new Set(isolationRules.flatMap((rule) => rule.names).filter((name) => !isAllowed(name)));
  if (missing.size === 0) return seccomp;
  // Two rules of one call with different actions are an error to libseccomp.
  const others = rules
    .map((rule) =>
      rule.action === allow
        ? rule
        : { ...rule, names: [...names(rule)].filter((name) => !missing.has(name)) },
    )
    .filter((rule) => names(rule).size > 0);
  // Nor does it take a rule for what is the default.
  const added =
    seccomp.defaultAction === allow
      ? []
      : isolationRules.filter((rule) => rule.names.some((name) => missing.has(name)));
  return { ...seccomp, syscalls: [...others, ...added] };
}

function names(rule: JsonObject): ReadonlySet<string> {
  return new Set(Array.isArray(rule.names) ? rule.names.filter((name) => typeof name === 'string') : []);
}

function listOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
