import { RuntimeError } from '../base/runtime-error.ts';
import type { CommandLine } from '../forward/command-line.ts';
import { carryOut } from '../host/health-probe.ts';
import { probeProgram } from '../unikernel/health-probe.ts';
import type { ProbeOrder } from '../unikernel/probe-order.ts';
import { print } from './print.ts';

/**
 * The hidden verb of the process that an engine takes for a health check's command: `ucrun probe ORDER`, the order in JSON.
 * @returns the exit status: 0 for a healthy guest, 1 for any other
 * @throws RuntimeError USAGE if it was not `exec` that called
 */
export async function answerProbe({ verbArgs: [text = ''] }: CommandLine): Promise<number> {
  const { status, line } = await carryOut(parseOrder(text));
  print(`${line}\n`, status === 0 ? 1 : 2);
  return status;
}

function parseOrder(text: string): ProbeOrder {
  try {
    return JSON.parse(text) as ProbeOrder;
  } catch (cause) {
    throw new RuntimeError('USAGE', '"probe" has no order in JSON', {
      hint: `ucrun calls it for ${probeProgram} in a health check; it is not for people`,
      cause,
    });
  }
}
