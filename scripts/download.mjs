// Downloads a file once: into a cache, with progress, taking up again where an interrupted download ended, and never used
// before its SHA-512 is right.

import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Failure } from './run-command.mjs';

const MiB = 1 << 20;

async function sha512Of(path) {
  const hash = createHash('sha512');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

// On a terminal a line that is written over, elsewhere one for each tenth.
function progress(name, total, log) {
  let shown = -1;
  return (received) => {
    const mebibytes = Math.floor(received / MiB);
    // Not every server says how much there is.
    const percent = total > 0 ? Math.floor((received / total) * 100) : undefined;
    const step = percent === undefined ? Math.floor(mebibytes / 64) : log.isTTY ? percent : Math.floor(percent / 10);
    if (step === shown) return;
    shown = step;
    const of = percent === undefined ? ' MiB' : ` of ${Math.ceil(total / MiB)} MiB (${percent} %)`;
    const text = `${name}: ${mebibytes}${of}`;
    log.write(log.isTTY ? `\r${text}${received === total ? '\n' : ''}` : `${text}\n`);
  };
}

async function fetchInto(part, url, log) {
  const start = existsSync(part) ? statSync(part).size : 0;
  let response;
  try {
    response = await fetch(url, start > 0 ? { headers: { range: `bytes=${start}-` } } : {});
  } catch (error) {
    throw new Failure(`${url} could not be reached: ${error.cause?.message ?? error.message}`);
  }
  // All of it is there: what was missing was the check.
  if (response.status === 416 && start > 0) return;
  if (!response.ok) throw new Failure(`${url}: ${response.status} ${response.statusText}`);
  // A server may ignore the range and send everything.
  const kept = response.status === 206 ? start : 0;
  const length = response.headers.get('content-length');
  const total = length === null ? 0 : kept + Number(length);
  let received = kept;
  const report = progress(basename(part, '.part'), total, log);
  // Written as it comes, so that a break loses nothing of what had come.
  const file = openSync(part, kept > 0 ? 'a' : 'w');
  try {
    for await (const chunk of response.body) {
      for (let at = 0; at < chunk.length; ) at += writeSync(file, chunk, at);
      received += chunk.length;
      report(received);
    }
  } catch (error) {
    throw new Failure(
      `${url} broke off after ${received} bytes (${error.message}); run this again to go on from there.`,
    );
  } finally {
    closeSync(file);
  }
}

/**
 * Makes sure that `path` is there and has this SHA-512.
 *
 * @param {string} url
 * @param {string} sha512
 * @param {string} path
 * @param {{ isTTY?: boolean, write(text: string): unknown }} log
 */
export async function download(url, sha512, path, log = process.stderr) {
  if (existsSync(path)) {
    if ((await sha512Of(path)) === sha512) return;
    // Verified before it got its name, so it was changed since.
    throw new Failure(
      `${path} is not what was downloaded: its SHA-512 is another one. Remove it to download it again.`,
    );
  }
  mkdirSync(dirname(path), { recursive: true });
  const part = `${path}.part`;
  await fetchInto(part, url, log);
  const actual = await sha512Of(part);
  if (actual !== sha512) {
    rmSync(part);
    throw new Failure(`${url} has the wrong SHA-512 and was thrown away.\n  expected ${sha512}\n  received ${actual}`);
  }
  renameSync(part, path);
}
