import { defineConfig } from 'vitest/config'
import { TotalsReporter } from './support/totals-reporter.ts'

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: ['default', new TotalsReporter()],
  },
})
