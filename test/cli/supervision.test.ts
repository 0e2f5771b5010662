/** What `capsule run` does while its command runs: signals, tampering, the status. On real processes, without a jail. */

import type { JailEvent } from 'freebsd-capsule';
import { expect, test } from 'vitest';
import type * as supervision from '../../lib/cli/supervision.ts';
import { childOutcome } from '../support/in-child.ts';

interface Scene {
  /** For /bin/sh. It writes a line when it is ready. */
  readonly script: string;
  /** What this process is sent, once the command is ready, one after the other. */
  readonly signals?: readonly NodeJS.Signals[];
  /** What the capsule tells of, once the command is ready; 'fail' is an error. */
  readonly events?: readonly (JailEvent | 'fail')[];
  readonly onTampering?: 'kill' | 'report';
}

/** Plays a scene in a process of its own, which gets the signals. */
async function play(scene: Scene): Promise<{ status: number | undefined; stderr: string }> {
  const module = new URL('../../dist/cli/supervision.js', import.meta.url).href;
  const { result, error, stderr } = await childOutcome(
    async (
      { spawn },
      { module, script, signals = [], events = [], onTampering = 'report' }: Scene & { module: string },
    ) => {
      const { Command, supervise } = (await new Function('path', 'return import(path)')(module)) as typeof supervision;
      const child = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      const lines: (() => void)[] = [];
      child.stdout?.on('data', (data: Buffer) => {
        for (const _ of String(data).trim().split('\n')) lines.shift()?.();
      });
      const line = () => new Promise<void>((resolve) => lines.push(resolve));
      const ready = line();
      async function* tampering() {
        await ready;
        for (const event of events) {
          if (event === 'fail') throw new Error('gone');
          yield event;
        }
        await new Promise(() => {});
      }
      const status = supervise(new Command(), { process: child, tampering }, onTampering);
      await ready;
      for (const signal of signals) {
        const answer = line();
        process.kill(process.pid, signal);
        // A command that is told twice must have been told once.
        await Promise.race([answer, status]);
      }
      return status;
    },
    { input: { ...scene, module }, timeoutMs: 100_000 },
  );
  if (error !== undefined) throw new Error(error.message);
  return { status: result, stderr };
}

test('the status is that of the command', async () => {
  expect(await play({ script: 'echo ready; exit 7' })).toEqual({ status: 7, stderr: '' });
  expect(await play({ script: 'echo ready; kill -KILL $$' })).toEqual({ status: 137, stderr: '' });
  expect(await play({ script: 'echo ready; kill -USR1 $$' })).toMatchObject({ stderr: '' });
});

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s is passed on', async (signal) => {
  const script = `trap "echo told; exit 5" ${signal.slice(3)}; echo ready; while :; do sleep 0.1; done`;
  expect(await play({ script, signals: [signal] })).toEqual({ status: 5, stderr: '' });
});

test('a second one kills a command that does not end', async () => {
  const script = 'trap "echo told" TERM INT; echo ready; while :; do sleep 0.1; done';
  expect(await play({ script, signals: ['SIGTERM', 'SIGINT'] })).toEqual({ status: 137, stderr: '' });
});

test('SIGHUP, on which programs reload, never does', async () => {
  const script = 'trap "echo told" HUP; trap "echo told; exit 6" TERM; echo ready; while :; do sleep 0.1; done';
  expect(await play({ script, signals: ['SIGHUP', 'SIGHUP', 'SIGHUP', 'SIGTERM'] })).toEqual({ status: 6, stderr: '' });
});

test('tampering is told of as it happens, and is not the end', async () => {
  const events = [{ type: 'attach', pid: 7, coalesced: false } as const, { type: 'set' } as const];
  const { status, stderr } = await play({ script: 'echo ready; sleep 1; exit 4', events });
  expect(stderr).toBe(
    'capsule: tampering: { "type": "attach", "pid": 7, "coalesced": false }\ncapsule: tampering: { "type": "set" }\n',
  );
  expect(status).toBe(4);
});

test('tampering kills, where that is asked for', async () => {
  const script = 'echo ready; exec sleep 60';
  const { status, stderr } = await play({ script, events: [{ type: 'set' }], onTampering: 'kill' });
  expect(stderr).toBe('capsule: tampering: { "type": "set" }\n');
  expect(status).toBe(137);
});

test('not to be told any more counts as tampering', async () => {
  const script = 'echo ready; exec sleep 60';
  const { status, stderr } = await play({ script, events: ['fail'], onTampering: 'kill' });
  expect(stderr).toBe('capsule: tampering is no longer watched: Error: gone\n');
  expect(status).toBe(137);
});

test('the end of the jail is told where the command did not end by itself', async () => {
  const events = [{ type: 'remove' } as const];
  expect(await play({ script: 'echo ready; sleep 0.5; exit 4', events })).toEqual({ status: 4, stderr: '' });
  expect(await play({ script: 'echo ready; sleep 0.5; kill -KILL $$', events })).toEqual({
    status: 137,
    stderr: 'capsule: the command was killed, perhaps with its jail, which is gone\n',
  });
});
