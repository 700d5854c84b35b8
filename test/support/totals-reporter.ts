/** Ends a test run with one plain line, `N passed, N failed, N skipped`, and names what was skipped. */
import type { Reporter, TestCase, TestModule } from 'vitest/node'

/** Counts tests, and files that could not even be loaded as one failure each. */
export class TotalsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let failed = unhandledErrors.length
    let passed = 0
    const skipped: TestCase[] = []
    for (const module of modules) {
      let failedHere = 0
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') passed++
        else if (state === 'failed') failedHere++
        else skipped.push(test)
      }
      failed += failedHere
      if (!module.ok() && failedHere === 0) failed++
    }
    for (const test of skipped) console.log(`SKIPPED ${test.module.relativeModuleId}: ${test.fullName}`)
    console.log(`\n${passed} passed, ${failed} failed, ${skipped.length} skipped`)
  }
}
