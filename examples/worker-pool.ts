/**
 * A sealed server that hands each upload to a process of its own.
 *
 * The helper, a static executable, the table it reads and the log it writes are opened first; then the server seals
 * itself. For every upload it starts the helper by its descriptor, since paths are gone, and gives it the two others,
 * each with the one right it needs. A crash or a take-over of a helper touches one upload.
 *
 * Run it with the helper's path: node worker-pool.js helpers/measure. It uploads to itself from another process, prints
 * what came of it and exits with 0, or with 1 if anything was possible that should not be.
 */

import childProcess from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { isCapabilityError, kernel, seal, spawn } from 'freebsd-capsule';

/** How many helpers may run at a time; other uploads wait. */
const MOST = 4;

/** The client: a process of its own, started before the seal. It uploads when it is told where. */
const CLIENT = `
  process.stdin.on('data', async (chunk) => {
    const url = String(chunk).trim();
    const upload = (lines) => fetch(url, { method: 'POST', body: 'line\\n'.repeat(lines) }).then((answer) => answer.text());
    console.log(JSON.stringify(await Promise.all([1, 2, 30, 400, 5000, 60000, 7, 8].map(upload))));
    process.exit(0);
  });
`;

async function textOf(stream: AsyncIterable<unknown> | null): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) text += String(chunk);
  return text;
}

async function main(): Promise<number> {
  const path = process.argv[2] ?? fileURLToPath(new URL('helpers/measure', import.meta.url));
  const folder = fs.mkdtempSync(join(tmpdir(), 'worker-pool-'));
  fs.writeFileSync(join(folder, 'table'), 'bytes\n');
  const helper = fs.openSync(path, 'r');
  const table = fs.openSync(join(folder, 'table'), 'r');
  const log = fs.openSync(join(folder, 'log'), 'a+');

  let running = 0;
  const waiting: (() => void)[] = [];
  const measure = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (running === MOST) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      using child = spawn(helper, [], {
        env: {},
        stdio: ['pipe', 'pipe', 'inherit'],
        // Helpers share the position of each: so they read the table at one of their own, and the log is appended to.
        descriptors: { 3: { fd: table, rights: ['pread'] }, 4: { fd: log, rights: ['write'] } },
      });
      const output = textOf(child.stdout);
      if (child.stdin !== null) await pipeline(request, child.stdin);
      const answer = await output;
      const { code, signal } = await child.exited;
      response.writeHead(code === 0 ? 200 : 500).end(code === 0 ? answer : `helper ended with ${signal ?? code}`);
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
  const server = createServer((request, response) => {
    measure(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const client = childProcess.spawn(process.execPath, ['-e', CLIENT], { stdio: ['pipe', 'pipe', 'inherit'] });
  const uploaded = new Promise<string>((resolve) => {
    let text = '';
    client.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    client.once('close', () => resolve(text));
  });

  const capsule = await seal({
    servers: [server],
    descriptors: [
      { fd: helper, rights: ['fexecve', 'read', 'seek', 'fstat'] },
      { fd: table, rights: ['read', 'seek'] },
      { fd: log, rights: ['write', 'read', 'seek'] },
    ],
  });

  client.stdin.write(`http://127.0.0.1:${port}/\n`);
  const answers = JSON.parse(await uploaded) as string[];
  let failures = 0;
  for (const answer of answers) {
    const whole = /^\d+ bytes, \d+ lines; /.test(answer);
    // On the simulated kernel a helper is a process of the host, which refuses it nothing.
    const harmless = /no files, no writing to the table, no reading of the log\n$/.test(answer);
    if (!whole || (!harmless && kernel.kind === 'freebsd')) failures++;
    console.log(`${whole ? 'served ' : 'FAILED '} ${answer.trimEnd()}`);
  }
  const logged = Buffer.alloc(64 * 1024);
  const lines = logged.toString('utf8', 0, fs.readSync(log, logged, 0, logged.length, 0)).split('\n').length - 1;
  console.log(`logged  ${lines} lines`);
  if (lines !== answers.length) failures++;

  try {
    spawn('/bin/sh', ['-c', 'true']).close();
    console.log('ALLOWED to start a program by its path');
    failures++;
  } catch (error) {
    console.log(`refused ${String(error).split('\n')[0]}`);
    if (!isCapabilityError(error)) failures++;
  }
  console.log(`\n${capsule.report}`);
  if (kernel.kind !== 'freebsd') console.log('\nThis was the simulated kernel: nothing was protected.');
  server.close();
  server.closeAllConnections?.();
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main();
