/** How many letters must change to make one word of the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** What people write of `allow.raw_sockets`: `rawSockets`, `raw-sockets`, `allow.raw.sockets`. */
const bare = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/** Returns the known name that a misspelt one was probably meant to be; undefined when none is near. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  const wanted = bare(name);
  let nearest: string | undefined;
  let least = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of known) {
    // The last part alone may be all that somebody remembers.
    const lastPart = candidate.slice(candidate.lastIndexOf('.') + 1);
    const away = Math.min(distance(wanted, bare(candidate)), distance(wanted, bare(lastPart)) + 0.5);
    if (away < least) [nearest, least] = [candidate, away];
  }
  return nearest;
}
