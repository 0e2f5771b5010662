/**
 * Asks the runtime for 64 things after `cap_enter(2)`, one after another in one process, and notes what each gives.
 *
 * `15.1/capability-mode-survey.tsv` holds what a FreeBSD 15.1 kernel answered, for Node and for Bun. The same program
 * replays it on the simulated kernel and records it again on a real one:
 *
 *     node build/test/conformance/capability-mode-survey.js
 *
 * prints one line per call. Everything it needs is loaded and opened before it enters; what must be untouched until
 * then (the working directory, standard input, `node:readline`) is not touched. It may be run once per process, and
 * leaves its temporary directory behind: a sandboxed process cannot remove it.
 */

import childProcess from 'node:child_process';
import crypto from 'node:crypto';
import dgram from 'node:dgram';
import dns from 'node:dns';
import type { EventEmitter } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import workerThreads from 'node:worker_threads';
import zlib from 'node:zlib';

/** What one call gave. Absent parts are 'undefined' for an error and empty for a value, as in the recording. */
export interface SurveyRow {
  readonly call: string;
  readonly result: 'works' | 'refused';
  readonly code: string;
  readonly errno: string;
  readonly syscall: string;
  /** The value, or the first line of the error's message. */
  readonly message: string;
}

interface Preparations {
  readonly directory: string;
  readonly fd: number;
  readonly readers: readonly [number, number];
  readonly directoryFd: number;
  readonly port: number;
  readonly freePort: number;
  readonly server: http.Server;
}

type Call = (prepared: Preparations) => unknown;

const here = fileURLToPath(import.meta.url);
const require = createRequire(import.meta.url);
const timeoutMs = 5000;
const longestValue = 60;

/** (module) exporting a function `f` that returns 7 */
const wasmModule = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 6, 1, 4, 0, 65, 7, 11,
]);

// Not among the types of Node 20.
const { WebAssembly: webAssembly } = globalThis as unknown as {
  WebAssembly: { instantiate(bytes: Uint8Array): Promise<{ instance: { exports: Record<string, () => number> } }> };
};

const calls: Readonly<Record<string, Call>> = {
  'fs.readFileSync(path)': () => fs.readFileSync('/etc/passwd'),
  'fs.promises.readFile(path)': () => fs.promises.readFile('/etc/passwd'),
  'fs.statSync(path)': () => fs.statSync('/etc/passwd'),
  'fs.existsSync(path)': () => fs.existsSync('/etc/passwd'),
  'fs.accessSync(path)': () => fs.accessSync('/etc/passwd'),
  'fs.readdirSync(path)': () => fs.readdirSync('/etc'),
  'fs.writeFileSync(path)': ({ directory }) => fs.writeFileSync(join(directory, 'q'), 'x'),
  'fs.mkdirSync(path)': ({ directory }) => fs.mkdirSync(join(directory, 'qq')),
  'fs.realpathSync(path)': () => fs.realpathSync('/tmp'),
  'fs.realpathSync.native(path)': () => fs.realpathSync.native('/tmp'),
  'fs.readSync(fd)': ({ fd }) => fs.readSync(fd, Buffer.alloc(5), 0, 5, 0),
  'fs.writeSync(fd)': ({ fd }) => fs.writeSync(fd, 'abc', 0),
  'fs.fstatSync(fd)': ({ fd }) => fs.fstatSync(fd).size,
  'fs.fsyncSync(fd)': ({ fd }) => fs.fsyncSync(fd),
  'fs.readFileSync(fd)': ({ readers }) => fs.readFileSync(readers[0], 'utf8'),
  'fs.createReadStream(fd)': async ({ readers }) => {
    let length = 0;
    for await (const chunk of fs.createReadStream('', { fd: readers[1] })) length += (chunk as Buffer).length;
    return length;
  },
  'fs.watch(path)': () => fs.watch('/tmp').close(),
  'require(new file)': ({ directory }) => require(join(directory, 'job', 'mod.js')),
  'import(new file)': ({ directory }) => import(pathToFileURL(join(directory, 'job', 'mod.mjs')).href),
  'require(node builtin not loaded)': () => Object.keys(require('node:readline') as object).length,
  'net.connect(ip)': ({ port }) => settled(net.connect(port, '127.0.0.1'), 'connect'),
  'net.connect(unix)': ({ directory }) => settled(net.connect(join(directory, 'sock')), 'connect'),
  'server.listen(new port)': ({ freePort }) => settled(net.createServer().listen(freePort, '127.0.0.1'), 'listening'),
  'http.get': ({ port }) => settled(http.get(`http://127.0.0.1:${port}/`), 'response'),
  fetch: ({ port }) => fetch(`http://127.0.0.1:${port}/`),
  'dns.lookup(localhost)': () => promisify(dns.lookup)('localhost'),
  'dns.resolve4': () => promisify(dns.resolve4)('example.org'),
  'dgram.bind': () => {
    const socket = dgram.createSocket('udp4');
    const bound = settled(socket, 'listening');
    socket.bind(0, '127.0.0.1');
    return bound;
  },
  'dgram.send(addr)': async ({ port }) => {
    const socket = dgram.createSocket('udp4');
    const failed = settled(socket, 'close');
    const sent = new Promise<void>((resolve, reject) => {
      socket.send('x', port, '127.0.0.1', (error) => (error === null ? resolve() : reject(error)));
    });
    await Promise.race([sent, failed]);
  },
  spawnSync: () => {
    const { error, stdout } = childProcess.spawnSync('/bin/echo', ['x']);
    if (error !== undefined) throw error;
    return stdout;
  },
  spawn: () => settled(childProcess.spawn('/bin/echo', ['x']), 'exit'),
  'new Worker(eval)': () => {
    const script = "require('node:worker_threads').parentPort.postMessage('ok')";
    return settled(new workerThreads.Worker(script, { eval: true }), 'message');
  },
  'process.cwd()': () => process.cwd(),
  'process.chdir': () => process.chdir('/tmp'),
  'process.memoryUsage().rss': () => process.memoryUsage().rss > 0,
  'process.memoryUsage.rss()': () => process.memoryUsage.rss() > 0,
  'process.resourceUsage': () => process.resourceUsage().maxRSS > 0,
  'process.cpuUsage': () => process.cpuUsage().user >= 0,
  'process.uptime': () => process.uptime() > 0,
  'process.kill(self,0)': () => process.kill(process.pid, 0),
  'process.kill(1,0)': () => process.kill(1, 0),
  'process.kill(ppid,0)': () => process.kill(process.ppid, 0),
  'process.title=': () => {
    process.title = 'x';
    return process.title;
  },
  'os.cpus().length': () => os.cpus().length,
  'os.totalmem': () => os.totalmem(),
  'os.freemem': () => os.freemem(),
  'os.loadavg': () => os.loadavg(),
  'os.hostname': () => os.hostname(),
  'os.networkInterfaces': () => os.networkInterfaces(),
  'os.uptime': () => os.uptime() > 0,
  'os.userInfo': () => os.userInfo().username,
  'os.tmpdir': () => os.tmpdir(),
  'crypto.randomBytes': () => crypto.randomBytes(8).length,
  'crypto.scrypt async (pool)': async () => {
    const scrypt = promisify<string, string, number, Buffer>(crypto.scrypt);
    return (await scrypt('password', 'salt', 16)).length;
  },
  'crypto.createHash': () => crypto.createHash('sha256').update('x').digest('hex').length,
  'zlib async (pool)': async () => (await promisify<string, Buffer>(zlib.gzip)('x')).length,
  'Date local tz': () => new Date(0).toString(),
  setTimeout: () => new Promise((resolve) => setTimeout(resolve, 10, 'ok')),
  // A comment in the output that this program prints.
  'console.log': () => console.log('#'),
  'process.stdin': () => typeof process.stdin.fd,
  'performance.now': () => performance.now() > 0,
  'SIGUSR handler': async () => {
    const got = settled(process, 'SIGUSR2');
    process.kill(process.pid, 'SIGUSR2');
    await got;
    return 'got';
  },
  'fs.readdirSync on dirfd path /dev/fd': ({ directoryFd }) => fs.readdirSync(`/dev/fd/${directoryFd}`),
  WebAssembly: async () => {
    const { instance } = await webAssembly.instantiate(wasmModule);
    return instance.exports.f?.() === 7 ? 'ok' : 'wrong';
  },
};

/** Runs the survey in this process, which is in capability mode afterwards. */
export async function surveyCapabilityMode(enter: () => void): Promise<SurveyRow[]> {
  const prepared = await prepare();
  enter();
  const rows: SurveyRow[] = [];
  for (const [call, make] of Object.entries(calls)) {
    const outcome = await attempt(make, prepared);
    rows.push({ call, ...outcome, message: withoutPlaces(outcome.message, prepared) });
  }
  prepared.server.closeAllConnections();
  prepared.server.close();
  return rows;
}

/** Names the runtime as the recording does. */
export function surveyedRuntime(): string {
  const { bun, node, uv } = process.versions;
  return bun === undefined ? `node ${node} (libuv ${uv})` : `bun ${bun}`;
}

/** Writes rows in the recording's form. */
export function formatSurvey(runtime: string, rows: readonly SurveyRow[]): string {
  return rows
    .map(({ call, result, code, errno, syscall, message }) =>
      [runtime, call, result, code, errno, syscall, message].join('\t'),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** Reads the recording's form: the rows of each runtime. */
export function parseSurvey(text: string): Map<string, SurveyRow[]> {
  const runtimes = new Map<string, SurveyRow[]>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#') || line.startsWith('runtime\t')) continue;
    const [runtime = '', call = '', result, code = '', errno = '', syscall = '', message = ''] = line.split('\t');
    const rows = runtimes.get(runtime) ?? [];
    runtimes.set(runtime, rows);
    rows.push({ call, result: result === 'works' ? 'works' : 'refused', code, errno, syscall, message });
  }
  return runtimes;
}

async function prepare(): Promise<Preparations> {
  const directory = fs.mkdtempSync(join(os.tmpdir(), 'capability-mode-survey-'));
  fs.mkdirSync(join(directory, 'job'));
  fs.writeFileSync(join(directory, 'job', 'mod.js'), 'module.exports = 1;\n');
  fs.writeFileSync(join(directory, 'job', 'mod.mjs'), 'export default 1;\n');
  const file = join(directory, 'file');
  fs.writeFileSync(file, 'hello');

  const server = http.createServer((_request, response) => response.end('ok'));
  await settled(server.listen(0, '127.0.0.1'), 'listening');
  const other = net.createServer();
  await settled(other.listen(0, '127.0.0.1'), 'listening');
  const { port: freePort } = other.address() as net.AddressInfo;
  await new Promise((resolve) => other.close(resolve));

  return {
    directory,
    fd: fs.openSync(file, 'r+'),
    readers: [fs.openSync(file, 'r'), fs.openSync(file, 'r')],
    directoryFd: fs.openSync('/etc', 'r'),
    port: (server.address() as net.AddressInfo).port,
    freePort,
    server,
  };
}

/** Resolves with the first argument of the event, rejects with that of 'error'. */
function settled(emitter: EventEmitter, event: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    emitter.once(event, resolve);
    emitter.once('error', reject);
  });
}

async function attempt(make: Call, prepared: Preparations): Promise<Omit<SurveyRow, 'call'>> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    });
    const value = await Promise.race([make(prepared), late]);
    return { result: 'works', code: '', errno: '', syscall: '', message: oneLine(value).slice(0, longestValue) };
  } catch (error) {
    const { code, errno, syscall, message, cause } = error as NodeJS.ErrnoException & { cause?: { code?: unknown } };
    const because = cause === undefined ? '' : ` | cause ${String(cause.code)}`;
    return {
      result: 'refused',
      code: String(code),
      errno: String(errno),
      syscall: String(syscall),
      message: oneLine(message) + because,
    };
  } finally {
    clearTimeout(timer);
  }
}

function oneLine(value: unknown): string {
  return String(value).split('\n', 1)[0] ?? '';
}

/** Puts the recording's paths and ports in the place of this run's. */
function withoutPlaces(message: string, { directory, port, freePort }: Preparations): string {
  return message
    .replaceAll(join(directory, 'job'), '/job')
    .replaceAll(directory, '/tmp')
    .replaceAll(here, '/job/survey.js')
    .replaceAll(`:${port}`, ':8099')
    .replaceAll(`:${freePort}`, ':8098');
}

if (process.argv[1] === here) {
  const { enter } = await import('freebsd-capsule');
  const rows = await surveyCapabilityMode(enter);
  process.stdout.write(formatSurvey(surveyedRuntime(), rows), () => process.exit(0));
}
