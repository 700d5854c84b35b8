import { defineConfig } from 'vitest/config'
import { TotalsReporter } from './support/totals-reporter.ts'

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/property-seed.ts'],
    pool: 'forks',
    // Also on two cores: the simulated power cuts compute while others wait for processes and devices.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ['default', new TotalsReporter()],
  },
})
