/**
 * A static file server that can read the tree it serves, and nothing else on the machine.
 *
 * It opens the tree, seals itself and answers a client in another process: whole files, ranges, lists of directories, and
 * a collection of paths that have got people out of other servers. The server does not look for such paths: it decodes
 * what it is asked for, twice where it is encoded twice, and opens that. The kernel refuses what leads outside. It exits
 * with 0, or with 1 if anything was not as it should be.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { type Directory, kernel, seal } from 'freebsd-capsule';

const SECRET = 'the secret next to the tree';

/** Makes a tree to serve, and next to it a file that is nobody's business. */
function makeTree(): string {
  const home = fs.mkdtempSync(join(tmpdir(), 'static-file-server-'));
  fs.mkdirSync(join(home, 'public', 'docs'), { recursive: true });
  fs.writeFileSync(join(home, 'public', 'index.html'), '<!doctype html><h1>Hello</h1>\n');
  fs.writeFileSync(join(home, 'public', 'docs', 'digits.txt'), '0123456789');
  fs.symlinkSync('digits.txt', join(home, 'public', 'docs', 'link.txt'));
  fs.symlinkSync('../secret.txt', join(home, 'public', 'leak.txt'));
  fs.symlinkSync(home, join(home, 'public', 'home'));
  fs.writeFileSync(join(home, 'secret.txt'), SECRET);
  return home;
}

/** Decodes a path as carelessly as it is done in the wild: again and again until nothing changes. */
function carelessPath(url: string): string {
  let path = url.split('?', 1)[0] ?? '';
  for (let previous = ''; previous !== path; ) {
    previous = path;
    try {
      path = decodeURIComponent(path);
    } catch {
      // Not an encoding: taken as it is.
    }
  }
  // The one leading slash that every URL has.
  return path.replaceAll('\\', '/').slice(1) || '.';
}

const STATUS: Readonly<Record<string, number>> = { ENOENT: 404, ENOTDIR: 404, ENOTCAPABLE: 403, ENAMETOOLONG: 414 };

async function answer(tree: Directory, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = carelessPath(request.url ?? '/');
  const stats = await tree.stat(path);
  if (stats.isDirectory()) {
    const entries = await tree.readdir(path, { withFileTypes: true });
    const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
    response.setHeader('content-type', 'application/json').end(JSON.stringify(names));
    return;
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = Number(range?.[1] ?? 0);
  const end = Math.min(range?.[2] ? Number(range[2]) : stats.size - 1, stats.size - 1);
  if (range !== null && start > end) {
    response.writeHead(416, { 'content-range': `bytes */${stats.size}` }).end();
    return;
  }
  response.writeHead(range === null ? 200 : 206, {
    'accept-ranges': 'bytes',
    'content-length': stats.size === 0 ? 0 : end - start + 1,
    ...(range === null ? {} : { 'content-range': `bytes ${start}-${end}/${stats.size}` }),
  });
  if (stats.size === 0) response.end();
  else pipeline(tree.createReadStream(path, { start, end }), response, () => {});
}

/** What the client asks for: a path, a range, and what is to come back. */
type Question = readonly [path: string, range: string | undefined, status: number, body?: string];

const QUESTIONS: readonly Question[] = [
  ['/index.html', undefined, 200, '<!doctype html><h1>Hello</h1>\n'],
  ['/', undefined, 200, '["docs/","home","index.html","leak.txt"]'],
  ['/docs', undefined, 200, '["digits.txt","link.txt"]'],
  ['/docs/link.txt', undefined, 200, '0123456789'],
  ['/docs/digits.txt', 'bytes=2-5', 206, '2345'],
  ['/docs/digits.txt', 'bytes=7-', 206, '789'],
  ['/docs/digits.txt', 'bytes=20-30', 416],
  ['/docs/../index.html', undefined, 200],
  ['/missing', undefined, 404],
  ['/index.html/x', undefined, 404],
  // From the advisories of other servers.
  ['/../secret.txt', undefined, 403],
  ['/docs/../../secret.txt', undefined, 403],
  ['/%2e%2e/secret.txt', undefined, 403],
  ['/..%2fsecret.txt', undefined, 403],
  ['/%2e%2e%2fsecret.txt', undefined, 403],
  ['/..%5csecret.txt', undefined, 403],
  ['/%252e%252e%252fsecret.txt', undefined, 403],
  ['/.%2e/secret.txt', undefined, 403],
  ['/docs/.%2e/%2e./secret.txt', undefined, 403],
  ['/..//..//..//..//etc/passwd', undefined, 403],
  ['//etc/passwd', undefined, 403],
  ['/%2fetc/passwd', undefined, 403],
  ['/..%00/secret.txt', undefined, 403],
  ['/index.html%00.txt', undefined, 403],
  ['/leak.txt', undefined, 403],
  ['/home/secret.txt', undefined, 403],
  ['/home/public/index.html', undefined, 403],
  ['/....//secret.txt', undefined, 404],
  ['/..;/secret.txt', undefined, 404],
  ['/%c0%ae%c0%ae/secret.txt', undefined, 404],
];

/** The client, started before the seal: asks each question it is sent, with the path as it is written. */
const CLIENT = `
  const { request } = require('node:http');
  process.stdin.setEncoding('utf8');
  let text = '';
  process.stdin.on('data', (chunk) => { text += chunk; }).on('end', async () => {
    const { port, questions } = JSON.parse(text);
    const answers = [];
    for (const [path, range] of questions) {
      answers.push(await new Promise((resolve) => {
        const headers = range ? { range } : {};
        request({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (chunk) => { body += chunk; });
          response.on('end', () => resolve([response.statusCode, body]));
        }).on('error', (error) => resolve([0, String(error)])).end();
      }));
    }
    console.log(JSON.stringify(answers));
  });
`;

async function main(): Promise<number> {
  const home = makeTree();
  let tree: Directory | undefined;
  const server = createServer((request, response) => {
    if (tree === undefined) return response.writeHead(503).end();
    answer(tree, request, response).catch((error: NodeJS.ErrnoException) => {
      response.writeHead(STATUS[error.code ?? ''] ?? 500).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = spawn(process.execPath, ['-e', CLIENT], { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  client.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });

  const capsule = await seal({ servers: [server], directories: { public: { path: join(home, 'public') } } });
  tree = capsule.directories.public;
  const { port } = server.address() as AddressInfo;
  client.stdin.end(JSON.stringify({ port, questions: QUESTIONS }));
  await once(client, 'close');

  const answers = JSON.parse(text) as [number, string][];
  let failures = 0;
  for (const [index, [path, range, status, body]] of QUESTIONS.entries()) {
    const [gotStatus, gotBody] = answers[index] ?? [0, ''];
    const right = gotStatus === status && (body === undefined || gotBody === body) && !gotBody.includes(SECRET);
    if (!right) failures++;
    console.log(`${right ? 'ok    ' : 'FAILED'} ${gotStatus} ${path}${range === undefined ? '' : ` ${range}`}`);
    if (!right) console.log(`       should be ${status} ${body ?? ''}, is ${gotBody}`);
  }

  // What runs in here, too, can only read.
  for (const [what, attempt] of [
    ['overwrite a page', () => tree?.writeFileSync('index.html', '')],
    ['remove a page', () => tree?.unlinkSync('index.html')],
    ['read outside of the tree', () => tree?.readFileSync('../secret.txt')],
    ['read by path', () => fs.readFileSync(join(home, 'secret.txt'))],
  ] as const) {
    try {
      attempt();
      failures++;
      console.log(`ALLOWED ${what}`);
    } catch (error) {
      console.log(`refused ${what}: ${(error as Error).message}`);
    }
  }
  if (kernel.kind !== 'freebsd') console.log('\nThis was the simulated kernel: nothing was protected.');
  server.close();
  server.closeAllConnections?.();
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main();
