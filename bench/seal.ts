/**
 * How long does `seal({})` take with 100, 1,000 and 4,000 descriptors open: files, pipes, and both ends of connections?
 * Each time in a process of its own, since nobody seals twice.
 */

import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { isSandboxed, seal } from 'freebsd-capsule';
import { report, sideBySide, times } from './row.ts';

const CONNECTIONS = 20;

async function sealWith(count: number): Promise<number> {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const connections = await Promise.all(
    Array.from(
      { length: CONNECTIONS },
      () =>
        new Promise<Socket>((resolve, reject) => {
          const socket = connect(port, '127.0.0.1', () => resolve(socket)).on('error', reject);
        }),
    ),
  );
  while (accepted.length < CONNECTIONS) await new Promise((resolve) => setTimeout(resolve, 1));
  let last = 0;
  while (last < count) last = openSync(last % 2 === 0 ? '/etc/passwd' : '/dev/null', 'r');
  closeSync(last);
  // The first call loads the addon, whatever it is.
  isSandboxed();
  const started = performance.now();
  await seal({ servers: [server], sockets: connections });
  return performance.now() - started;
}

const [argument] = process.argv.slice(2);
if (argument !== undefined) {
  const milliseconds = await sealWith(Number(argument));
  process.stdout.write(String(milliseconds), () => process.exit(0));
} else {
  const sealed = (count: number) => () =>
    Number(execFileSync(process.execPath, [fileURLToPath(import.meta.url), String(count)], { encoding: 'utf8' }));
  const { few, some, many } = await sideBySide(times(11), { few: sealed(100), some: sealed(1000), many: sealed(4000) });
  report({ question: 'seal() with 100 descriptors', ours: few, unit: 'ms' });
  report({ question: 'seal() with 1,000 descriptors', ours: some, unit: 'ms', target: { atMost: 20 } });
  report({
    question: 'seal() with 4,000 descriptors',
    ours: many,
    unit: 'ms',
    against: { name: 'four times 1,000', value: 4 * some },
    // What each costs does not grow with how many there are.
    target: { atMost: 1.25 },
  });
}
