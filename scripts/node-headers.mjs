// Where node-gyp finds Node-API's headers without downloading anything.
//
// The running Node's own headers where it has them (a distribution's package, FreeBSD's port, a nodejs.org archive).
// A Node from npm has none: then a folder of ours in build/, laid out as node-gyp's --nodedir expects, with the headers
// of `node-api-headers`. The addon needs no others, since it uses Node-API alone.

import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inProject } from './project.mjs';

// The few settings that Node's own common.gypi gives an addon and that ours relies on.
const COMMON_GYPI = {
  variables: { 'visibility%': 'hidden' },
  target_defaults: {
    default_configuration: 'Release',
    configurations: {
      Debug: { cflags: ['-g', '-O0'] },
      Release: { cflags: ['-O3', '-fno-omit-frame-pointer'] },
    },
    cflags: ['-fPIC'],
    cflags_cc: ['-fno-rtti', '-fno-exceptions', '-fno-strict-aliasing', '-std=gnu++17'],
    conditions: [
      ["OS=='linux'", { ldflags: ['-pthread', '-rdynamic'], cflags: ['-pthread'] }],
      ["OS=='freebsd'", { ldflags: ['-pthread', '-Wl,--export-dynamic'], cflags: ['-pthread'] }],
      [
        "OS=='mac'",
        {
          xcode_settings: {
            CLANG_CXX_LANGUAGE_STANDARD: 'gnu++20',
            CLANG_CXX_LIBRARY: 'libc++',
            GCC_ENABLE_CPP_EXCEPTIONS: 'NO',
            MACOSX_DEPLOYMENT_TARGET: '11.0',
          },
        },
      ],
    ],
  },
};

// Read instead of process.config, which describes how that Node was built and may ask for the tools it was built with.
const CONFIG_GYPI = {
  target_defaults: { cflags: [], default_configuration: 'Release', defines: [], include_dirs: [], libraries: [] },
  variables: { napi_build_version: '8', node_shared: 'false', want_separate_host_toolset: 0, enable_lto: 'false' },
};

function headersOfRunningNode() {
  const nodedir = dirname(dirname(process.execPath));
  const include = join(nodedir, 'include/node');
  return ['node_api.h', 'common.gypi'].every((name) => existsSync(join(include, name))) ? nodedir : undefined;
}

function headersOfOurOwn(modules) {
  const nodedir = inProject('build/headers');
  const include = join(nodedir, 'include/node');
  const source = join(modules, 'node-api-headers/include');
  rmSync(nodedir, { recursive: true, force: true });
  mkdirSync(include, { recursive: true });
  cpSync(source, include, { recursive: true });
  writeFileSync(join(include, 'common.gypi'), `${JSON.stringify(COMMON_GYPI, null, 2)}\n`);
  writeFileSync(join(include, 'config.gypi'), `${JSON.stringify(CONFIG_GYPI, null, 2)}\n`);
  return nodedir;
}

// Returns the folder for node-gyp's --nodedir.
export function nodeHeaders(modules) {
  return headersOfRunningNode() ?? headersOfOurOwn(modules);
}
