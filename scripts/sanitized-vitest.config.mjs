// vitest's configuration for `npm run test:asan`: the processes that tests run in end as a program does.

import { fileURLToPath } from 'node:url';
import { mergeConfig } from 'vitest/config';
import { ForksPoolWorker } from 'vitest/node';
import config from '../vitest.config.ts';

// A leak check of everything that the process holds takes its time.
const LONGEST_END = 120_000;

// vitest's own sends SIGTERM, and SIGKILL after half a second: LeakSanitizer, which looks when a process exits, never did.
class EndedByExit extends ForksPoolWorker {
  async stop() {
    const { fork } = this;
    const ended = new Promise((resolve) => {
      const tell = () => resolve(fork.signalCode ?? fork.exitCode);
      if (fork.exitCode !== null || fork.signalCode !== null) tell();
      else fork.once('exit', tell);
    });
    const watchdog = setTimeout(() => fork.kill('SIGKILL'), LONGEST_END);
    // exit-when-alone.mjs waits for it. Not a signal: a process that has begun to exit by itself does not handle it any more.
    if (fork.connected) fork.disconnect();
    const end = await ended;
    clearTimeout(watchdog);
    if (end !== 0) {
      console.error(`A process of tests ended with ${end}, maybe before it was looked for leaks.`);
      process.exitCode = 1;
    }
  }
}

export default mergeConfig(config, {
  test: {
    pool: { name: 'ended by exit', createPoolWorker: (options) => new EndedByExit(options) },
    setupFiles: [fileURLToPath(new URL('exit-when-alone.mjs', import.meta.url))],
    teardownTimeout: LONGEST_END + 10_000,
  },
});
