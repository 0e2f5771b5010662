/** Does a sealed HTTP server answer as many requests in a second as the same one not sealed? */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { seal } from 'freebsd-capsule';
import { report, sideBySide, times } from './row.ts';

const CONNECTIONS = 16;
const WINDOW_MS = times(1000);

async function serve(sealed: boolean): Promise<void> {
  const server = createServer((_, response) => response.end('hello\n')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  if (sealed) await seal({ servers: [server] });
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  process.stdin.resume().on('end', () => process.exit(0));
}

/** Requests in a second, over connections that stay. */
async function rate(port: number, agent: Agent): Promise<number> {
  const started = performance.now();
  let answers = 0;
  const ask = async () => {
    while (performance.now() - started < WINDOW_MS) {
      await new Promise((resolve, reject) => {
        get({ port, host: '127.0.0.1', agent }, (response) => response.resume().on('end', resolve)).on('error', reject);
      });
      answers++;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, ask));
  return (answers * 1000) / (performance.now() - started);
}

const [argument] = process.argv.slice(2);
if (argument !== undefined) {
  await serve(argument === 'sealed');
} else {
  const start = async (how: string): Promise<[number, ChildProcess]> => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), how], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    return [Number(String(line)), child];
  };
  const [sealedPort, sealedServer] = await start('sealed');
  const [openPort, openServer] = await start('not sealed');
  const agents = [0, 1].map(() => new Agent({ keepAlive: true, maxSockets: CONNECTIONS })) as [Agent, Agent];
  await rate(sealedPort, agents[0]);
  await rate(openPort, agents[1]);
  const { sealed, open } = await sideBySide(times(21), {
    sealed: () => rate(sealedPort, agents[0]),
    open: () => rate(openPort, agents[1]),
  });
  for (const agent of agents) agent.destroy();
  for (const server of [sealedServer, openServer]) server.stdin?.end();
  report({
    question: 'HTTP requests, sealed',
    ours: sealed,
    unit: '/s',
    against: { name: 'not sealed', value: open },
    target: { atLeast: 0.98 },
  });
}
