// Writes docs/, the API reference, from the doc comments, and fails for what they leave out: scripts/doc-rules.mjs.

import { readFileSync } from 'node:fs';
import { installDependencies } from './dependencies.mjs';
import { complaintsAbout } from './doc-rules.mjs';
import { inProject } from './project.mjs';
import { Failure, runQuietly, runScript } from './run-command.mjs';
import { installTools } from './tools.mjs';

export function buildDocs() {
  const folder = inProject('build/docs-tools');
  const typedoc = `${folder}/node_modules/typedoc/bin/typedoc`;
  installTools('docs-tools', folder, [typedoc], `typedoc was installed, but there is no ${typedoc}`);
  const model = inProject('build/docs.json');
  runQuietly('Building the API reference', process.execPath, [
    ...[typedoc, '--options', inProject('typedoc.json'), '--logLevel', 'Warn'],
    ...['--json', model, '--html', inProject('docs')],
  ]);
  const complaints = complaintsAbout(JSON.parse(readFileSync(model, 'utf8')));
  if (complaints.length > 0) throw new Failure(complaints.join('\n'));
}

if (import.meta.filename === process.argv[1]) {
  await runScript(() => {
    installDependencies();
    buildDocs();
    console.log('docs/index.html is the API reference.');
  });
}
