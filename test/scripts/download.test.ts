/** An image is used when it is the right one, and a broken download goes on where it ended. Over loopback. */

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { download } from '../../scripts/download.mjs';
import { temporaryDirectory } from '../support/descriptors.ts';

const content = randomBytes(3 << 20);
const sha512 = createHash('sha512').update(content).digest('hex');

let directory: ReturnType<typeof temporaryDirectory>;
let path: string;
let ranges: (string | undefined)[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

const server = createServer((request, response) => {
  ranges.push(request.headers.range);
  answer(request, response);
});

const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/image.xz`;

function withRanges(request: IncomingMessage, response: ServerResponse) {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (start >= content.length) response.writeHead(416).end();
  else {
    const rest = content.subarray(start);
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': rest.length }).end(rest);
  }
}

/** What the download says of itself. */
const log = () => {
  const lines: string[] = [];
  return { lines, write: (text: string) => lines.push(text) > 0 };
};

beforeEach(async () => {
  directory = temporaryDirectory();
  path = join(directory.path, 'cache/image.xz');
  ranges = [];
  answer = withRanges;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  directory.remove();
});

test('downloads once, with progress', async () => {
  const first = log();
  await download(url(), sha512, path, first);
  expect(readFileSync(path).equals(content)).toBe(true);
  expect(first.lines.at(-1)).toBe('image.xz: 3 of 3 MiB (100 %)\n');
  expect(first.lines.length).toBeGreaterThan(1);

  const second = log();
  await download(url(), sha512, path, second);
  expect(second.lines).toEqual([]);
  expect(ranges).toHaveLength(1);
});

test('tells no share of what has no length', async () => {
  answer = (_, response) => response.writeHead(200, { 'transfer-encoding': 'chunked' }).end(content);
  const { lines, write } = log();
  await download(url(), sha512, path, { write });
  expect(lines).toEqual(['image.xz: 0 MiB\n']);
});

test('throws away what has the wrong checksum', async () => {
  const wrong = sha512.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
  await expect(download(url(), wrong, path, log())).rejects.toThrow(/has the wrong SHA-512 and was thrown away/);
  expect([existsSync(path), existsSync(`${path}.part`)]).toEqual([false, false]);
});

test('goes on where it broke off', async () => {
  answer = (_request, response) => {
    response.writeHead(200, { 'content-length': content.length });
    // An orderly end, so that what was sent arrives; it is less than was promised.
    response.write(content.subarray(0, 1 << 20), () => response.socket?.end());
  };
  await expect(download(url(), sha512, path, log())).rejects.toThrow(/broke off after \d+ bytes/);
  expect(existsSync(path)).toBe(false);
  const { length } = readFileSync(`${path}.part`);
  expect(length).toBeGreaterThan(0);

  answer = withRanges;
  await download(url(), sha512, path, log());
  expect(ranges).toEqual([undefined, `bytes=${length}-`]);
  expect(readFileSync(path).equals(content)).toBe(true);
});

test('starts over with a server that sends everything, and checks what was complete already', async () => {
  answer = (_request, response) => response.writeHead(503).end();
  await expect(download(url(), sha512, path, log())).rejects.toThrow(/503/);
  writeFileSync(`${path}.part`, 'another beginning');
  answer = (_request, response) => response.writeHead(200, { 'content-length': content.length }).end(content);
  await download(url(), sha512, path, log());
  expect(readFileSync(path).equals(content)).toBe(true);

  const complete = join(directory.path, 'cache/complete.xz');
  writeFileSync(`${complete}.part`, content);
  answer = withRanges;
  await download(url(), sha512, complete, log());
  expect(readFileSync(complete).equals(content)).toBe(true);
});

test('refuses a cached file that was changed', async () => {
  await download(url(), sha512, path, log());
  writeFileSync(path, 'changed');
  await expect(download(url(), sha512, path, log())).rejects.toThrow(/is not what was downloaded/);
});

test('says what could not be reached', async () => {
  await expect(download('http://127.0.0.1:1/x', sha512, path, log())).rejects.toThrow(
    /127\.0\.0\.1:1\/x could not be reached: /,
  );
});
