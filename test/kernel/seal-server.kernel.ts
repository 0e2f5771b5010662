/** Servers that seal themselves and go on serving, watched from another process. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SealReportData } from 'freebsd-capsule';
import { get } from '../support/http-client.ts';
import { kernelTest } from '../support/kernel-test.ts';
import { requireFreeBSD, requireRuntime } from '../support/requirements.ts';
import { ServerProcess } from '../support/server-process.ts';

/** A deadline for answers that must not come: long for a machine, short for a test. */
const NO_ANSWER_MS = 3000;

kernelTest('no request is lost while a server under load seals itself', { timeoutMs: 300_000 }, async () => {
  await using server = await ServerProcess.start({ protocol: 'http' });
  const { port } = server;
  const total = 3000;
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  let sent = 0;
  let answered = 0;
  let sealed: Promise<unknown> | undefined;
  const failures: string[] = [];
  // Every other worker opens a connection for each request, the rest keep theirs.
  const worker = async (index: number): Promise<void> => {
    while (sent < total) {
      const path = `/${sent++}`;
      if (sent === total / 3) sealed = server.tell('seal');
      try {
        const { status, body } = await get({ port, path, agent: index % 2 === 0 ? agent : false });
        assert.equal(status, 200);
        assert.equal((JSON.parse(body) as { url: string }).url, path);
        answered++;
      } catch (error) {
        failures.push(`${path}: ${String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, (_, index) => worker(index)));
  agent.destroy();
  await sealed;
  assert.deepEqual(failures, []);
  assert.equal(answered, total);
  const count = await server.tell<{ requests: number; errors: string[] }>('count');
  assert.deepEqual(count, { requests: total, errors: [] });
  assert.equal(await server.exit(), 7);
});

kernelTest('a connection opened before the seal is limited, and serves on', async () => {
  await using server = await ServerProcess.start({ protocol: 'http' });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    await get({ port: server.port, agent });
    const { report } = await server.tell<{ report: SealReportData }>('seal');
    const connection = report.descriptors.find(({ before }) => before.peer !== undefined && before.kind === 'tcp');
    assert.equal(connection?.before.owner, 'server');
    assert.deepEqual(
      [...(connection?.after?.rights ?? [])],
      ['read', 'write', 'getpeername', 'getsockname', 'setsockopt', 'shutdown', 'event'],
    );
    const { status, body } = await get({ port: server.port, agent });
    assert.equal(status, 200);
    assert.equal((JSON.parse(body) as { remoteAddress: string }).remoteAddress, '127.0.0.1');
  } finally {
    agent.destroy();
  }
});

kernelTest('a server on a UNIX socket seals itself and goes on serving', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'capsule-'));
  try {
    const path = join(folder, 'socket');
    await using server = await ServerProcess.start({ protocol: 'http', path });
    await server.tell('seal');
    assert.equal((await get({ socketPath: path, path: '/x' })).status, 200);
    assert.equal(await server.exit(), 7);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** What a client sees of a listener sealed with one right less. */
async function servedWithout(right: 'accept' | 'read' | 'write' | 'event'): Promise<string> {
  await using server = await ServerProcess.start({ protocol: 'http', without: [right] });
  await server.tell('seal');
  try {
    return (await get({ port: server.port, timeoutMs: NO_ANSWER_MS })).body;
  } catch (error) {
    return `no answer: ${(error as Error).message}`;
  }
}

for (const right of ['accept', 'read', 'write'] as const) {
  kernelTest(
    `a listener needs '${right}': without it no request is answered`,
    { needs: [requireFreeBSD] },
    async () => {
      assert.match(await servedWithout(right), /^no answer/);
    },
  );
}

kernelTest(
  "a listener needs 'event': without it a request that comes later than its connection waits for ever",
  { needs: [requireFreeBSD, requireRuntime('node')] },
  async () => {
    await using server = await ServerProcess.start({ protocol: 'http', without: ['event'] });
    await server.tell('seal');
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', (error) => resolve(String(error)));
      socket.on('data', () => resolve('answered'));
      socket.setTimeout(NO_ANSWER_MS, () => {
        resolve('no answer');
        socket.destroy();
      });
      setTimeout(() => socket.write('GET / HTTP/1.0\r\n\r\n'), 500);
    });
    assert.equal(answer, 'no answer');
  },
);

kernelTest(
  "a listener needs 'getpeername': without it requests have no remoteAddress",
  { needs: [requireFreeBSD] },
  async () => {
    await using server = await ServerProcess.start({ protocol: 'http', without: ['getpeername'] });
    await server.tell('seal');
    const { body } = await get({ port: server.port });
    assert.equal((JSON.parse(body) as { remoteAddress: string | null }).remoteAddress, null);
  },
);

kernelTest(
  "a listener needs 'getsockname': without it server.address() fails",
  { needs: [requireFreeBSD, requireRuntime('node')] },
  async () => {
    await using server = await ServerProcess.start({ protocol: 'http', without: ['getsockname'] });
    await server.tell('seal');
    await assert.rejects(server.tell('address'), /-93/);
    await using whole = await ServerProcess.start({ protocol: 'http' });
    await whole.tell('seal');
    assert.deepEqual(await whole.tell('address'), {
      address: { address: '127.0.0.1', family: 'IPv4', port: whole.port },
    });
  },
);

kernelTest(
  "a listener needs 'setsockopt': without it TCP_NODELAY stays off",
  { needs: [requireFreeBSD, requireRuntime('node')] },
  async () => {
    const statusWith = async (without: readonly 'setsockopt'[] | undefined): Promise<number> => {
      await using server = await ServerProcess.start({
        protocol: 'http',
        ...(without === undefined ? {} : { without }),
      });
      await server.tell('seal');
      const agent = new Agent({ keepAlive: true });
      try {
        await get({ port: server.port, agent });
        return (await server.tell<{ status: number }>('no delay')).status;
      } finally {
        agent.destroy();
      }
    };
    assert.equal(await statusWith(['setsockopt']), -93);
    assert.equal(await statusWith(undefined), 0);
  },
);

kernelTest(
  "a listener needs 'shutdown': without it a connection cannot be half closed",
  { needs: [requireFreeBSD] },
  async () => {
    /** Whether the server's end() reaches a client that keeps its own side open. */
    const halfClosed = async (without: readonly 'shutdown'[] | undefined): Promise<string[]> => {
      await using server = await ServerProcess.start({
        protocol: 'net',
        ...(without === undefined ? {} : { without }),
      });
      await server.tell('seal');
      const ended = await new Promise<string>((resolve) => {
        const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
        socket.resume();
        socket.on('error', (error) => resolve(String(error)));
        socket.on('end', () => resolve(socket.writable ? 'half closed' : 'closed'));
        socket.setTimeout(NO_ANSWER_MS, () => {
          resolve('open');
          socket.destroy();
        });
      });
      const { errors } = await server.tell<{ errors: string[] }>('count');
      return [ended, ...errors];
    };
    assert.deepEqual(await halfClosed(undefined), ['half closed']);
    assert.notDeepEqual(await halfClosed(['shutdown']), ['half closed']);
  },
);
