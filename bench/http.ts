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
const PAIRS = 7;

interface Server {
  readonly child: ChildProcess;
  readonly port: number;
  readonly agent: Agent;
}

async function serve(sealed: boolean): Promise<void> {
  const server = createServer((_, response) => response.end('hello\n')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  if (sealed) await seal({ servers: [server] });
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  process.stdin.resume().on('end', () => process.exit(0));
}

/** Requests in a second, over connections that stay. */
async function rate({ port, agent }: Server): Promise<number> {
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
  const start = async (how: string): Promise<Server> => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), how], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const server = {
      child,
      port: Number(String(line)),
      agent: new Agent({ keepAlive: true, maxSockets: CONNECTIONS }),
    };
    await rate(server);
    return server;
  };
  // Several of each, in turns: two processes of the same program are not equally fast.
  const sealedServers: Server[] = [];
  const openServers: Server[] = [];
  for (let pair = 0; pair < times(PAIRS); pair++) {
    sealedServers.push(await start('sealed'));
    openServers.push(await start('not sealed'));
  }
  const inTurns = (servers: Server[]) => {
    let turn = 0;
    return () => rate(servers[turn++ % servers.length] as Server);
  };
  const { sealed, open } = await sideBySide(times(5 * PAIRS), {
    sealed: inTurns(sealedServers),
    open: inTurns(openServers),
  });
  for (const { agent, child } of [...sealedServers, ...openServers]) {
    agent.destroy();
    child.stdin?.end();
  }
  report({
    question: 'HTTP requests, sealed',
    ours: sealed,
    unit: '/s',
    against: { name: 'not sealed', value: open },
    target: { atLeast: 0.98 },
  });
}
