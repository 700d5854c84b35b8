import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { TurnBudget } from '../../src/base/turns.ts'

describe('the system clock', () => {
  it('sleeps at least as long as it was asked to', async () => {
    const start = systemClock.monotonicMs()
    await systemClock.sleep(20)
    expect(systemClock.monotonicMs() - start).toBeGreaterThanOrEqual(19)
  })

  it('ends a sleep when the signal aborts', async () => {
    const controller = new AbortController()
    const sleep = systemClock.sleep(60_000, { signal: controller.signal })
    controller.abort()
    await expect(sleep).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('does not start a sleep whose signal has aborted', async () => {
    await expect(systemClock.sleep(0, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('rejects with the reason where that is an error', async () => {
    const reason = new Error('closing')
    await expect(systemClock.sleep(5, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
})

describe('a turn budget', () => {
  it('is spent when its turn has lasted too long, and fresh in the next turn', async () => {
    let now = 0
    const budget = new TurnBudget({ ...systemClock, monotonicMs: () => now }, 4)
    expect(budget.isSpent()).toBe(false)
    now = 4
    expect(budget.isSpent()).toBe(false)
    now = 5
    expect(budget.isSpent()).toBe(true)
    await new Promise(resolve => setImmediate(resolve))
    expect(budget.isSpent()).toBe(false)
  })
})
