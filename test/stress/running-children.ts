/**
 * Gives the children of this process that run once those that are killed have had their time; none where the host does not
 * tell. What has ended stays with the host until the simulated kernel looks at it.
 *
 * Sent to a child as source text, and so sees nothing of this file.
 */
export async function runningChildren(): Promise<string[]> {
  const fs = process.getBuiltinModule('node:fs');
  const runs = (pid: string) => {
    try {
      return !/\) [ZX] /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  };
  const childrenOf = (task: string) => {
    try {
      return fs.readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ');
    } catch {
      // The thread has ended since the list was read. Its children are another thread's by now: the next look tells.
      return [];
    }
  };
  const childrenNow = () =>
    fs.existsSync('/proc/self/task')
      ? fs
          .readdirSync('/proc/self/task')
          .flatMap(childrenOf)
          .filter((pid) => pid !== '' && runs(pid))
      : [];
  let children = childrenNow();
  for (let look = 0; look < 100 && children.length > 0; look++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    children = childrenNow();
  }
  return children;
}
