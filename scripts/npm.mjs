// npm as a command: the very npm that runs us when there is one, so that `npx -p node@24 npm test` stays with it.

import { Failure, runQuietly, versionOf } from './run-command.mjs';

export function npmCommand() {
  const cli = process.env.npm_execpath;
  // Yarn and pnpm set the same variable; the lockfile is npm's.
  if (cli?.endsWith('npm-cli.js')) return [process.execPath, cli];
  if (versionOf('npm') === undefined) {
    throw new Failure(
      'npm was not found. Install it (FreeBSD: pkg install npm; Debian: apt-get install npm) and run this again.',
    );
  }
  return ['npm'];
}

export function runNpm(purpose, args, options) {
  const [command, ...first] = npmCommand();
  return runQuietly(purpose, command, [...first, ...args, '--no-audit', '--no-fund', '--loglevel=error'], options);
}
