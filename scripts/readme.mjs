// The programs in README.md, and what they promise to print: the comment behind each console.log.

import { readFileSync } from 'node:fs';
import { inProject } from './project.mjs';

const readme = readFileSync(inProject('README.md'), 'utf8');

// The sources of the blocks in one language.
export function blocksOf(language, markdown = readme) {
  return [...markdown.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, source]) => source);
}

// The comments behind console.log calls, in order; `…` stands for any text.
export function promisedBy(source) {
  return [...source.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, comment]) => comment);
}

// Nothing when the output is what the program promises, else what is wrong.
export function broken(source, output) {
  const lines = output.trimEnd().split('\n');
  const promised = promisedBy(source);
  if (lines.length !== promised.length) return `it printed ${lines.length} lines, not ${promised.length}:\n${output}`;
  const isKept = (line, comment) => {
    const [start, ...rest] = comment.split('…');
    return rest.length === 0 ? line === comment : line.startsWith(start);
  };
  const index = lines.findIndex((line, at) => !isKept(line, promised[at]));
  return index < 0 ? undefined : `it printed '${lines[index]}', not '${promised[index]}'`;
}

// A port that may be taken, and a server that would stay, are not what is shown.
export const runnable = (source) => `${source.replace('listen(8080', 'listen(0')}\nprocess.exit();\n`;
