# Builds for the machine it runs on: on FreeBSD over its kernel, elsewhere over
# the simulated one. The cross-build is CMakeLists.txt; both read sources.json.
{
  "variables": {
    "sanitize%": "",
  },
  "targets": [
    {
      "target_name": "freebsd_capsule",
      "sources": ["<!@(node -p \"require('./sources.json').binding.join(' ')\")"],
      "include_dirs": [
        "<!(node -p \"require('node-addon-api').include_dir\")",
      ],
      "defines": [
        "NAPI_VERSION=8",
        "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
      ],
      "cflags": [
        "-Wall", "-Wextra", "-Wpedantic", "-Wno-unused-parameter",
        "-fvisibility=hidden",
      ],
      "cflags_cc!": ["-std=gnu++17", "-fno-rtti"],
      "cflags_cc": ["-std=c++20", "-fvisibility-inlines-hidden", "-fno-exceptions"],
      "conditions": [
        ["OS=='freebsd'", {
          "sources": ["<!@(node -p \"require('./sources.json').freebsd.join(' ')\")"],
        }, {
          "sources": ["<!@(node -p \"require('./sources.json').simulation.join(' ')\")"],
          "include_dirs": ["native/simulation/include"],
        }],
        ["sanitize!=''", {
          # Not vptr: to see whether it may read an object it opens a pipe, and without a free descriptor takes each for invalid.
          "cflags": [
            "-fsanitize=<(sanitize)", "-fno-sanitize=vptr", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer",
            "-g", "-O1",
          ],
          "ldflags": ["-fsanitize=<(sanitize)", "-Wl,-z,nodelete"],
        }],
      ],
    },
  ],
}
