// The addons that the package ships, in prebuildify's layout: prebuilds/<platform>-<arch>/.

// The target names the oldest C library that is supported: what is linked against it loads on every newer one. FreeBSD's
// is 14.0; Linux's is the one that Node's own builds ask for, and what runs there is the simulated kernel.
export const PREBUILDS = [
  { name: 'freebsd-x64', platform: 'freebsd', arch: 'x64', target: 'x86_64-freebsd.14.0' },
  { name: 'freebsd-arm64', platform: 'freebsd', arch: 'arm64', target: 'aarch64-freebsd.14.0' },
  { name: 'linux-x64', platform: 'linux', arch: 'x64', target: 'x86_64-linux-gnu.2.28' },
];

export const FREEBSD_PREBUILDS = PREBUILDS.filter(({ platform }) => platform === 'freebsd');

export const prebuildPath = (name) => `prebuilds/${name}/freebsd-capsule.node`;
