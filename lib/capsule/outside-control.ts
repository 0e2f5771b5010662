import { invalidState } from '../errors.ts';
import type { CheckedPlan } from './plan.ts';

/** Whether a debugger's server is listening in this process. */
async function inspectorIsOpen(): Promise<boolean> {
  if (process.versions.bun !== undefined) {
    return process.execArgv.some((argument) => argument.startsWith('--inspect')) || Boolean(process.env.BUN_INSPECT);
  }
  try {
    const inspector = await import('node:inspector');
    return inspector.url() !== undefined;
  } catch (error) {
    // A Node that was built without one.
    if ((error as NodeJS.ErrnoException).code === 'ERR_INSPECTOR_NOT_AVAILABLE') return false;
    throw error;
  }
}

/**
 * Refuses to seal a process that somebody outside could go on acting through, unless the plan says so: an open inspector
 * runs any code in it, and an IPC channel hands in descriptors with every right (in a cluster worker, it listens on new
 * ports).
 */
export async function checkOutsideControl(plan: CheckedPlan): Promise<void> {
  if (!plan.debugger && (await inspectorIsOpen())) {
    throw invalidState(
      'The inspector is open (--inspect), and whoever reaches it can run code in this process. Start without it, or set ' +
        'plan.debugger',
    );
  }
  const channel = process.channel as { readonly fd?: number } | undefined;
  if (process.connected && plan.unlisted !== 'close' && !plan.descriptors.has(channel?.fd ?? -1)) {
    throw invalidState(
      'This process has an IPC channel to its parent (child_process.fork, cluster), which can hand in descriptors with ' +
        "every right and make new ones for it. Call process.disconnect() first, set plan.unlisted to 'close', or name " +
        `the channel's descriptor${channel?.fd === undefined ? '' : ` ${channel.fd}`} in plan.descriptors`,
    );
  }
}
