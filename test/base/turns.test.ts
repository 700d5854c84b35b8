import { describe, expect, test } from 'vitest'
import type { Clock } from '../../src/base/clock.ts'
import { FirstCallback, nextTurn, presentTurn, TurnBudget } from '../../src/base/turns.ts'

/** A clock that passes without the event loop turning. */
function openClock(): { readonly clock: Clock; readonly pass: (ms: number) => void } {
  let atMs = 0
  const sleep = (): Promise<void> => Promise.resolve()
  const pass = (ms: number): void => {
    atMs += ms
  }
  return { clock: { nowMs: () => atMs, monotonicMs: () => atMs, sleep }, pass }
}

describe('turns of the event loop', () => {
  test('have one number each, whatever promises follow one another in them', async () => {
    const turn = presentTurn()
    await Promise.resolve()
    expect(presentTurn()).toBe(turn)
    await nextTurn()
    expect(presentTurn()).not.toBe(turn)
  })

  test('have a budget that begins with the first who asks', async () => {
    const { clock, pass } = openClock()
    const budget = new TurnBudget(clock, 4)
    expect(budget.isSpent()).toBe(false)
    pass(5)
    expect(budget.isSpent()).toBe(true)
    budget.restart()
    expect(budget.isSpent()).toBe(false)
    pass(5)
    await nextTurn()
    expect(budget.isSpent()).toBe(false)
  })

  test('know their first callback, with all the promises that follow from it, from the later ones', async () => {
    const first = new FirstCallback()
    const said: string[] = []
    const callback = async (name: string): Promise<void> => {
      await nextTurn()
      for (let i = 0; i < 3; i++) {
        said.push(`${name} ${first.isStill()}`)
        await Promise.resolve()
      }
    }
    await Promise.all([callback('a'), callback('b')])
    expect(said).toEqual(['a true', 'a true', 'a true', 'b false', 'b false', 'b false'])
    await nextTurn()
    expect(first.isStill()).toBe(true)
  })
})
