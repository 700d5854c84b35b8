import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../src/testing/manual-clock.ts'

describe('a manual clock', () => {
  it('stands still until it is moved, and then shows both clocks moved', async () => {
    const clock = new ManualClock(1000)
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([1000, 0])
    await clock.advance(250)
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([1250, 250])
  })

  it('ends sleeps in the order of their times, each at its own time', async () => {
    const clock = new ManualClock(0)
    const ended: string[] = []
    const sleep = async (name: string, ms: number): Promise<void> => {
      await clock.sleep(ms)
      ended.push(`${name} at ${clock.nowMs()}`)
    }
    const all = [sleep('c', 30), sleep('a', 10), sleep('b', 20), sleep('a2', 10), sleep('never', 1000)]
    await clock.advance(100)
    expect(ended).toEqual(['a at 10', 'a2 at 10', 'b at 20', 'c at 30'])
    expect(clock.sleepers).toBe(1)
    await clock.advance(900)
    await Promise.all(all)
  })

  it('ends a sleep that begins while time passes, if it is due', async () => {
    const clock = new ManualClock(0)
    let beats = 0
    const heart = async (): Promise<void> => {
      while (beats < 5) {
        await clock.sleep(10)
        beats++
      }
    }
    const beating = heart()
    await clock.advance(35)
    expect(beats).toBe(3)
    await clock.advance(15)
    expect(beats).toBe(5)
    await beating
  })

  it('ends a sleep of nothing without being moved far', async () => {
    const clock = new ManualClock()
    const slept = clock.sleep(0)
    await clock.advance(0)
    await slept
    expect(clock.sleepers).toBe(0)
  })

  it('rejects a sleep whose signal is aborted, before or meanwhile', async () => {
    const clock = new ManualClock()
    await expect(clock.sleep(10, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    const stop = new AbortController()
    const slept = clock.sleep(10, { signal: stop.signal })
    stop.abort()
    await expect(slept).rejects.toMatchObject({ name: 'AbortError' })
    expect(clock.sleepers).toBe(0)
  })

  it('can step the wall clock back while no sleep notices', async () => {
    const clock = new ManualClock(10_000)
    const slept = clock.sleep(100)
    clock.stepWallClock(-5000)
    expect(clock.nowMs()).toBe(5000)
    await clock.advance(100)
    await slept
    expect(clock.monotonicMs()).toBe(100)
  })
})
