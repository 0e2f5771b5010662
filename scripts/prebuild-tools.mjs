// The cross compiler and its driver, in build/tools.

import { inProject } from './project.mjs';
import { installTools } from './tools.mjs';

export const tools = (...path) => inProject('build/tools', ...path);

// Returns the paths of the programs.
export function installPrebuildTools() {
  const zigPackage = `@zigc/${process.platform}-${process.arch}`;
  const paths = {
    zig: tools('node_modules', zigPackage, process.platform === 'win32' ? 'bin/zig.exe' : 'bin/zig'),
    cmakeJs: tools('node_modules/cmake-js/bin/cmake-js'),
  };
  const otherwise = `zig comes for Linux, macOS and Windows; there is no ${zigPackage}. Run this on one of those.`;
  installTools('prebuild-tools', tools(), Object.values(paths), otherwise);
  return paths;
}
