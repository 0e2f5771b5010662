/**
 * Makes the same calls before and after `enter()` and prints, as JSON, what each gave: 'ok', or the error's parts.
 * Then limits descriptors and does the same for calls on them. Run by runtime-refusals.test.ts, in a process of its
 * own.
 */

import childProcess from 'node:child_process';
import dgram from 'node:dgram';
import dns from 'node:dns';
import dnsPromises from 'node:dns/promises';
import { once } from 'node:events';
import fs, { createReadStream, readFileSync, statSync } from 'node:fs';
import fsPromises, { open, readFile } from 'node:fs/promises';
import http from 'node:http';
import http2 from 'node:http2';
import { createRequire } from 'node:module';
import net from 'node:net';
import os, { totalmem } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { enter, limitRights } from 'freebsd-capsule';

const directory = fs.mkdtempSync(join(os.tmpdir(), 'refused-calls-'));
const require = createRequire(join(directory, 'main.js'));
const file = join(directory, 'file');
fs.writeFileSync(file, 'hello');
for (const name of ['known.cjs', 'before.cjs', 'after.cjs']) fs.writeFileSync(join(directory, name), 'exports.a = 1;');
for (const name of ['known.mjs', 'before.mjs', 'after.mjs']) fs.writeFileSync(join(directory, name), 'export {};');

const server = http.createServer((_request, response) => response.end('served'));
await once(server.listen(0, '127.0.0.1'), 'listening');
const { port } = server.address();
const connection = net.connect(port, '127.0.0.1');
await once(connection, 'connect');
const connected = dgram.createSocket('udp4');
await promisify(connected.connect).call(connected, port, '127.0.0.1');
connected.on('error', () => {});
const bound = dgram.createSocket('udp4');
await promisify(bound.bind).call(bound, 0, '127.0.0.1');
// Ends with this process.
const child = childProcess.spawn(process.execPath, ['-e', 'process.stdin.resume()']);

let phase = 'before';
const listening = async (value, place) => {
  await once(value.listen(place), 'listening');
  value.close();
};
const drained = async (stream) => {
  for await (const _chunk of stream);
};

const calls = {
  'readFileSync imported by name': () => readFileSync(file),
  'readFile imported by name': () => readFile(file),
  'readFileSync as text': () => fs.readFileSync(file, 'utf8'),
  'readFile with callback': () => promisify(fs.readFile)(file),
  'stat that may find nothing': () => statSync(join(directory, 'nothing'), { throwIfNoEntry: false }),
  writeFile: () => fsPromises.writeFile(join(directory, 'written'), 'x'),
  'writeFile with callback': () => promisify(fs.writeFile)(join(directory, 'written'), 'x'),
  'readdir of everything': () => fsPromises.readdir(directory, { recursive: true }),
  'createReadStream imported by name': () => drained(createReadStream(file)),
  createWriteStream: () => once(fs.createWriteStream(join(directory, 'written')).end('x'), 'finish'),
  'open as a handle': async () => (await open(file)).close(),
  'exists with callback': async () => {
    if (!(await promisify(fs.exists)(file))) throw new Error('absent');
  },
  opendir: async () => (await fsPromises.opendir(directory)).close(),
  opendirSync: () => fs.opendirSync(directory).closeSync(),
  rename: () => fs.renameSync(file, file),
  copyFile: () => fsPromises.copyFile(file, join(directory, 'copy')),
  mkdtemp: () => fs.mkdtempSync(join(directory, 'temporary-')),
  symlink: () => fs.symlinkSync('file', join(directory, `link-${phase}`)),
  utimes: () => fs.utimesSync(file, 1, 1),
  'realpath promise': () => fsPromises.realpath(directory),
  'require of what was required': () => require('./known.cjs'),
  'require of a new file': () => require(`./${phase}.cjs`),
  'require of nothing': () => require('./nothing.cjs'),
  'import of what was imported': () => import(join(directory, 'known.mjs')),
  'import of a new file': () => import(join(directory, `${phase}.mjs`)),
  'import of a built-in module': () => import('node:querystring'),
  'listen on a path': () => listening(net.createServer(), join(directory, `socket-${phase}`)),
  'listen http': () => listening(http.createServer(), 0),
  'connect by name': async () => {
    const socket = net.connect(port, 'localhost');
    await once(socket, 'connect');
    socket.destroy();
  },
  'connect tls': () => once(tls.connect(port, '127.0.0.1'), 'secureConnect'),
  'connect http2': () => once(http2.connect('http://127.0.0.1:1'), 'connect'),
  'fetch data': () => fetch('data:text/plain,x'),
  'lookup of an address': () => dnsPromises.lookup('127.0.0.1'),
  'lookup promise': () => dnsPromises.lookup('localhost'),
  'lookup of all': () => promisify(dns.lookup)('localhost', { all: true }),
  'send when connected': () => promisify(connected.send).call(connected, 'x'),
  'send to an address': () => promisify(bound.send).call(bound, 'x', port, '127.0.0.1'),
  exec: () => promisify(childProcess.exec)('true'),
  execFileSync: () => childProcess.execFileSync('/bin/echo'),
  'kill a child': async () => {
    const failed = once(child, 'error').then(([error]) => Promise.reject(error));
    if (!child.kill(0)) await failed;
    failed.catch(() => {});
  },
  'totalmem imported by name': () => {
    if (totalmem() === 0) throw new Error('no memory');
  },
  'process.cwd asked before': () => process.cwd(),
  'a worker': async () => {
    const worker = new Worker('', { eval: true });
    let online = false;
    worker.on('online', () => {
      online = true;
    });
    try {
      await once(worker, 'exit');
    } catch (error) {
      throw Object.assign(error, online ? { message: 'came online' } : {});
    }
  },
  'an accepted connection': async () => {
    connection.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(connection, 'data');
  },
  'a wrong argument': () => fs.readFileSync({}),
};

async function outcome(call) {
  let timer;
  try {
    const late = new Promise((_resolve, reject) => {
      timer = setTimeout(reject, 5000, new Error('no answer'));
    });
    await Promise.race([Promise.resolve().then(call), late]);
    return 'ok';
  } catch (error) {
    const { code, errno, syscall, message } = error;
    return [code, errno, syscall].filter((part) => part !== undefined).join(' ') || message;
  } finally {
    clearTimeout(timer);
  }
}

async function outcomes(list) {
  const results = {};
  for (const [name, call] of Object.entries(list)) results[name] = await outcome(call);
  return results;
}

// -- Descriptors

const handle = await fs.promises.open(file, 'r+');
const fd = fs.openSync(file, 'r+');
const buffer = Buffer.alloc(2);
const descriptorCalls = {
  read: () => fs.readSync(fd, buffer),
  'read at a position': () => fs.readSync(fd, buffer, 0, 2, 0),
  'read with options': () => fs.readSync(fd, buffer, { position: 0 }),
  'read with callback': () => promisify(fs.read)(fd, buffer, 0, 2, null),
  readv: () => fs.readvSync(fd, [buffer]),
  'readv at a position': () => fs.readvSync(fd, [buffer], 0),
  readFile: () => promisify(fs.readFile)(fd),
  readFileSync: () => fs.readFileSync(fd),
  createReadStream: () => drained(createReadStream('', { fd, autoClose: false })),
  'createReadStream from a start': () => drained(createReadStream('', { fd, start: 0, autoClose: false })),
  'handle read': () => handle.read(buffer, 0, 2, null),
  'handle read at a position': () => handle.read(buffer, 0, 2, 0),
  write: () => fs.writeSync(fd, 'ab'),
  'write a buffer': () => fs.writeSync(fd, buffer),
  'write at a position': () => fs.writeSync(fd, buffer, 0, 2, 0),
  'write with callback': () => promisify(fs.write)(fd, 'ab'),
  writev: () => fs.writevSync(fd, [buffer]),
  createWriteStream: () => once(fs.createWriteStream('', { fd, autoClose: false }).end('x'), 'finish'),
  'handle write': () => handle.write('x'),
  fstat: () => fs.fstatSync(fd),
  'handle stat': () => handle.stat(),
  ftruncate: () => fs.ftruncateSync(fd, 3),
  fsync: () => fs.fsyncSync(fd),
  'fdatasync with callback': () => promisify(fs.fdatasync)(fd),
  'handle chmod': () => handle.chmod(0o644),
  fchown: () => fs.fchownSync(fd, process.getuid(), process.getgid()),
  futimes: () => fs.futimesSync(fd, 1, 1),
};

const descriptors = { all: await outcomes(descriptorCalls) };
limitRights(fd, ['read', 'fstat']);
limitRights(handle, ['read', 'fstat']);
descriptors.reading = await outcomes(descriptorCalls);
const { fd: handleFd } = handle;
await handle.close();
fs.closeSync(fd);
// The numbers come back, sooner or later, and with every right.
const reopened = new Set();
while (reopened.size < 100 && !(reopened.has(fd) && reopened.has(handleFd))) reopened.add(fs.openSync(file, 'r+'));
descriptors.reopened = await outcomes({
  'write on the first': () => fs.writeSync(fd, 'x'),
  'write on the second': () => fs.writeSync(handleFd, 'x'),
});
for (const descriptor of reopened) fs.closeSync(descriptor);

const before = await outcomes(calls);
phase = 'after';
enter();
const after = await outcomes(calls);
process.stdout.write(JSON.stringify({ before, after, descriptors }), () => process.exit(0));
