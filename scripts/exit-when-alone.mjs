// In each process of tests of `npm run test:asan`: what a test has left open does not keep it.
process.once('disconnect', () => process.exit());
