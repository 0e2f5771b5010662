/**
 * A web server that gives up everything it does not need, and keeps serving.
 *
 * It binds its socket, calls `seal`, and is asked for a page and for JSON by a client in another process. Then it does
 * what an attacker inside it would try, and reports each attempt and its explanation. It exits with 0, or with 1 if
 * anything was not refused. Run it with `npm run demo`; with `--serve` it stays up for a look with a browser.
 */

import childProcess, { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect, createServer as createNetServer } from 'node:net';
import { explainCapabilityError, getRights, isCapabilityError, kernel, limitRights, seal } from 'freebsd-capsule';

const PAGE = '<!doctype html><title>Sealed</title><h1>Served from inside capability mode</h1>\n';

const route: RequestListener = (request, response) => {
  if (request.url === '/') {
    response.setHeader('content-type', 'text/html').end(PAGE);
  } else if (request.url === '/status') {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ sealed, pid: process.pid }));
  } else {
    response.writeHead(404).end();
  }
};

/** The client: a process of its own, started before the seal. It fetches what it is told on standard input. */
const CLIENT = `
  process.stdin.on('data', async (chunk) => {
    const base = String(chunk).trim();
    const page = await fetch(base + '/');
    const status = await fetch(base + '/status');
    console.log(JSON.stringify([page.status, await page.text(), status.status, await status.json()]));
    process.exit(0);
  });
`;

/** One thing that must be refused now. */
interface Attempt {
  readonly what: string;
  readonly run: () => unknown;
}

let sealed = false;

async function firstError(emitter: NodeJS.EventEmitter, success: string): Promise<never> {
  const error = await Promise.race([
    once(emitter, 'error').then(([error]) => error as unknown),
    once(emitter, success).then(() => new Error('it worked')),
  ]);
  throw error;
}

async function main(): Promise<number> {
  const server = createServer(route).listen(Number(process.env.PORT ?? 0), '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;

  const client: ChildProcess = childProcess.spawn(process.execPath, ['-e', CLIENT], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const answer = new Promise<string>((resolve, reject) => {
    let text = '';
    client.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    client.once('error', reject).once('close', () => resolve(text));
  });

  const capsule = await seal({ servers: [server] });
  sealed = true;

  let failures = 0;
  client.stdin?.write(`${url}\n`);
  const [pageStatus, page, statusStatus, status] = JSON.parse(await answer) as [number, string, number, object];
  const served = pageStatus === 200 && page === PAGE && statusStatus === 200;
  console.log(`${served ? 'served ' : 'FAILED '} GET ${url}/ and ${url}/status: ${JSON.stringify(status)}`);
  if (!served) failures++;

  const attempts: Attempt[] = [
    { what: 'read /etc/passwd', run: () => fs.readFileSync('/etc/passwd') },
    { what: 'listen on another port', run: () => firstError(createNetServer().listen(0, '127.0.0.1'), 'listening') },
    { what: 'connect to a server', run: () => firstError(connect(port, '127.0.0.1'), 'connect') },
    {
      what: 'run /bin/sh',
      run: () => {
        const { error } = childProcess.spawnSync('/bin/sh', ['-c', 'true']);
        if (error !== undefined) throw error;
      },
    },
    { what: 'widen the rights of the listener', run: () => limitRights(server, getRights(server).with('bind')) },
  ];
  for (const { what, run } of attempts) {
    try {
      await run();
      failures++;
      console.log(`ALLOWED ${what}`);
    } catch (error) {
      const explanation = explainCapabilityError(error);
      if (!isCapabilityError(error) && explanation === undefined) failures++;
      console.log(`${explanation === undefined ? 'FAILED ' : 'refused'} ${what}: ${String(error)}`);
      if (explanation !== undefined) console.log(`        ${explanation}`);
    }
  }

  console.log(`\n${capsule.report}`);
  if (kernel.kind !== 'freebsd') console.log('\nThis was the simulated kernel: nothing was protected.');
  if (process.argv.includes('--serve')) {
    console.log(`\nServing on ${url} until interrupted.`);
    await once(process, 'SIGINT');
  }
  server.close();
  server.closeAllConnections?.();
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main();
