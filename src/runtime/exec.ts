import { readFileSync, writeFileSync } from 'node:fs';
import { RuntimeError } from '../base/runtime-error.ts';
import { become } from '../forward/become.ts';
import { hasFlag, lastValue, parseVerbArgs } from '../forward/command-line.ts';
import { hasArgument, spawnInPlace } from '../host/processes.ts';
import { parseHealthProbe, probeProgram } from '../unikernel/health-probe.ts';
import { type ProbeOrder, planProbe } from '../unikernel/probe-order.ts';
import type { ContainerCall } from './container.ts';
import { isAlive } from './init-process.ts';
import { readRecord } from './record.ts';

/** The hidden verb of the process that an engine waits for in place of a health check's command. */
export const probeVerb = 'probe';

/** What a shell has for a command that is there and cannot be executed. */
const refusedStatus = 126;

/** The process that is started in place of the command. */
interface ProbeProcess {
  readonly order: ProbeOrder;
  /** The network namespace to enter; undefined: our own. */
  readonly namespacePath?: string;
}

interface ExecRequest {
  readonly command: readonly string[];
  readonly isDetached: boolean;
  readonly wantsTerminal: boolean;
  readonly pidFile: string | undefined;
}

/**
 * `exec` in a unikernel container. Nothing can be started in a guest, and what crun would start would run on the host's kernel,
 * beside the guest, and look as if it ran in it. So every command is refused but `ucrun-probe`, which ucrun answers itself by
 * asking the guest: health checks are commands to engines.
 * @returns the exit status, in detached mode; else this process becomes the probe
 * @throws RuntimeError EXEC_REFUSED, USAGE
 */
export function execInContainer(call: ContainerCall): number {
  const request = readRequest(call);
  try {
    return start(call, request, planFor(call, request));
  } catch (error) {
    if (!(error instanceof RuntimeError) || !isHealthCheckOfPodman(request)) throw error;
    const hint = error.hint === undefined ? '' : ` (${error.hint})`;
    const line = `ucrun: ${error.message}${hint}`;
    return start(call, request, { order: { kind: 'say', line, status: refusedStatus } });
  }
}

/** @see containers/crun src/exec.c */
function readRequest({ line }: ContainerCall): ExecRequest {
  const { options, positionals } = parseVerbArgs('exec', line.verbArgs);
  const file = lastValue(options, 'process', 'p');
  return {
    command: file === undefined ? positionals.slice(1) : argsOfProcess(file),
    isDetached: hasFlag(options, 'detach', 'd'),
    // --tty alone has crun make a terminal beside the caller's; the probe's one line can do without.
    wantsTerminal: hasFlag(options, 'console-socket'),
    pidFile: lastValue(options, 'pid-file'),
  };
}

/** @see opencontainers/runtime-spec v1.2.0 config.md, "Process" */
function argsOfProcess(file: string): readonly string[] {
  try {
    const { args } = JSON.parse(readFileSync(file, 'utf8')) as { readonly args?: unknown };
    if (Array.isArray(args) && args.every((arg) => typeof arg === 'string')) return args;
  } catch (cause) {
    throw new RuntimeError('USAGE', `cannot read the process in "${file}"`, { cause });
  }
  throw new RuntimeError('USAGE', `the process in "${file}" has no args`);
}

function planFor(call: ContainerCall, { command, wantsTerminal }: ExecRequest): ProbeProcess {
  const { id, paths } = call;
  const probe = parseHealthProbe(command);
  if (probe === undefined) throw refusal(id);
  if (wantsTerminal)
    throw new RuntimeError('EXEC_REFUSED', `${probeProgram} has no use for a terminal`, {
      hint: 'run it without --tty',
    });
  const record = readRecord(paths);
  if (record?.init === undefined || !isAlive(record.init))
    throw new RuntimeError('EXEC_REFUSED', `container "${id}" is not running`);
  if (record.joined === undefined)
    throw new RuntimeError('STATE_BROKEN', `container "${id}" was started by an older ucrun`, {
      hint: 'start it anew to have its health checked',
    });
  const { order, isInside } = planProbe({
    probe,
    network: record.joined,
    isRootless: record.network.isRootless,
    init: record.init,
  });
  call.log('probe planned', { ...order });
  const isElsewhere = isInside && !record.network.isHostNetwork;
  return isElsewhere ? { order, namespacePath: `/proc/${record.init.pid}/ns/net` } : { order };
}

function refusal(id: string): RuntimeError {
  return new RuntimeError(
    'EXEC_REFUSED',
    `cannot run a command in container "${id}": it is a unikernel, which has no other programs`,
    {
      hint: `read its console with "logs", type to it with "attach", reach it over the network, or ask it with ${probeProgram}`,
    },
  );
}

/**
 * conmon tells podman of a command that could not be started, and podman keeps that out of the container's health log; what a
 * command says goes there. So a health check of podman's gets a command that says the refusal and ends. `podman exec` has conmon
 * clean up when the command has ended, and a health check has not. Other engines put the runtime's error into their health logs.
 * @see containers/podman libpod/healthcheck.go, oci_conmon_exec_common.go; containers/conmon src/cli.c; moby daemon/health.go
 */
function isHealthCheckOfPodman({ isDetached, wantsTerminal, pidFile }: ExecRequest): boolean {
  const { ppid } = process;
  const isAttached =
    isDetached && !wantsTerminal && pidFile !== undefined && hasArgument(ppid, '--exec-attach');
  return isAttached && !hasArgument(ppid, '--exit-command');
}

/** In detached mode the engine reaps the process in the pid file, which is a child of its own as soon as we are gone. */
function start(
  call: ContainerCall,
  { isDetached, pidFile }: ExecRequest,
  { order, namespacePath }: ProbeProcess,
): number {
  const enter = namespacePath === undefined ? [] : ['/usr/bin/nsenter', `--net=${namespacePath}`, '--'];
  const [program = call.self, ...args] = [...enter, call.self, probeVerb, JSON.stringify(order)];
  if (!isDetached) {
    if (pidFile !== undefined) writeFileSync(pidFile, String(process.pid));
    return become(program, args, {});
  }
  const pid = spawnInPlace(program, args);
  if (pidFile !== undefined) writeFileSync(pidFile, String(pid));
  // At once: Node would reap the child, if it ended now, and the engine wait for it in vain.
  return process.exit(0);
}
