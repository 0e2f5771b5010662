/**
 * A daemon in a capsule: a web server in a jail that is sealed before the server's first instruction, supervised from
 * outside, and ended as soon as anybody touches the jail.
 *
 * Root on FreeBSD 15: node capsule-daemon.js. It starts itself once more as the daemon, asks it something, lets others try
 * what the report says they cannot, then lets root on the host do what the report says can be done but not unnoticed.
 * Exits with 0 when everything came as the report says.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Capsule, explainCapabilityError, Jail, kernel, seal, spawn } from 'freebsd-capsule';

const NOBODY = 65534;

/** Inside: binds, gives up everything else, serves. */
async function daemon(): Promise<void> {
  const server = createServer((_request, response) => {
    try {
      response.end(readFileSync('/etc/master.passwd'));
    } catch (error) {
      response.end(explainCapabilityError(error));
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  // The jail is the outer wall; capability mode is the inner one, which not even the jail's own files are behind.
  await seal({ servers: [server] });
  console.log((server.address() as AddressInfo).port);
}

const fetchText = (port: number) =>
  new Promise<string>((resolve, reject) => {
    get({ port, host: '127.0.0.1', agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text)).on('error', reject);
    }).on('error', reject);
  });

/** Somebody else on this machine: tries to signal the daemon, as the daemon's own user. */
async function attack(pid: number): Promise<number | null> {
  using attacker = spawn('/bin/sh', ['-c', `kill -TERM ${pid}`], {
    user: NOBODY,
    group: NOBODY,
    stdio: 'ignore',
  });
  return (await attacker.exited).code;
}

async function supervise(): Promise<void> {
  await using capsule = await Capsule.spawn(process.execPath, [fileURLToPath(import.meta.url), 'daemon'], {
    jail: { path: '/', 'host.hostname': 'daemon', ip4: 'inherit' },
    user: NOBODY,
    group: NOBODY,
    // No terminal: through one, whoever is inside could send signals out.
    stdio: ['ignore', 'pipe', 'pipe'],
    // The window before the seal: what is set here is part of what is sealed.
    configure: (jail) => jail.set({ 'meta.started': new Date().toISOString() }),
    // The bar. On a kernel or a machine that does not reach it, nothing starts.
    require: {
      unseal: { inside: 'enforced', unprivileged: 'enforced', hostRoot: 'evident' },
      attach: { unprivileged: 'enforced', hostRoot: 'evident' },
      signal: { unprivileged: 'enforced' },
      debug: { unprivileged: 'enforced' },
      // Not against who is inside: with an address he can have TCP sockets that a killed process waits for.
      outlive: { unprivileged: 'enforced' },
    },
  });
  console.log(String(capsule.report));

  const { stdout, stderr, pid } = capsule.process;
  stderr?.pipe(process.stderr);
  assert.ok(stdout !== null && pid !== undefined);
  const [port] = (await once(createInterface({ input: stdout }), 'line')) as [string];
  console.log(`the daemon serves on port ${port}: ${await fetchText(Number(port))}`);

  // Only a kernel can refuse a process that is not of this program; the simulated one is no kernel.
  if (kernel.kind === 'freebsd') {
    assert.notEqual(await attack(pid), 0);
    console.log('its own user cannot signal it from outside');
  }
  assert.throws(() => capsule.require({ attach: 'enforced' }), { code: 'ERR_INVALID_STATE' });
  assert.equal(capsule.intact, true);

  // Root on the host lets somebody in: nothing prevents that, and it is told.
  using intruder = Jail.get(capsule.jail.jid).spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
  for await (const event of capsule.tampering({ signal: AbortSignal.timeout(60_000) })) {
    assert.deepEqual(event, { type: 'attach', pid: intruder.pid, coalesced: false });
    console.log(`process ${intruder.pid} attached: the capsule ends`);
    break;
  }
  assert.equal(capsule.intact, false);
}

if (process.argv[2] === 'daemon') await daemon();
else {
  await supervise();
  console.log('nothing is left of it');
}
