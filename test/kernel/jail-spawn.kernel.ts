/** Children that are started in a jail, by its number and by its descriptor. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { isJailed, Jail } from 'freebsd-capsule';
import { kernelTest } from '../support/kernel-test.ts';
import { requireRelease, requireRoot } from '../support/requirements.ts';

/** What a program in the jail says of itself. */
const PROGRAM = ['-n', 'security.jail.jailed', 'kern.hostname'];

async function output(child: ReturnType<Jail['spawn']>): Promise<string> {
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const { code } = await child.exited;
  assert.equal(code, 0);
  await new Promise((resolve) =>
    child.stdout?.readableEnded ? resolve(undefined) : child.stdout?.once('end', resolve),
  );
  child.close();
  return text;
}

kernelTest(
  'jail: spawn starts a child in it, by jid and by descriptor, and this process stays out',
  {
    needs: [requireRoot, requireRelease(15.0)],
  },
  async () => {
    const jail = Jail.create({ path: '/', 'host.hostname': 'inside' });
    try {
      assert.equal(await output(jail.spawn('/sbin/sysctl', PROGRAM)), '1\ninside\n');
      using descriptor = jail.open();
      assert.equal(await output(descriptor.spawn('/sbin/sysctl', PROGRAM)), '1\ninside\n');
      assert.equal(isJailed(), false);
    } finally {
      jail.remove();
      await jail.removed({ signal: AbortSignal.timeout(20_000) });
    }
    // A reference that the attach kept would leave the jail dying for good.
    const { stdout } = spawnSync('jls', ['-d', '-j', String(jail.jid)], { encoding: 'utf8' });
    assert.doesNotMatch(stdout, /inside/);
  },
);
