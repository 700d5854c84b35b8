import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../src/base/assert.ts'
import { Watermark } from '../../src/base/watermark.ts'

/** Whether each promise has settled once microtasks have run. */
async function settled(...promises: Promise<unknown>[]): Promise<string[]> {
  const states = promises.map(() => 'pending')
  for (const [i, promise] of promises.entries()) {
    promise.then(
      () => {
        states[i] = 'resolved'
      },
      () => {
        states[i] = 'rejected'
      },
    )
  }
  for (let i = 0; i < 5; i++) await Promise.resolve()
  return states
}

describe('a watermark', () => {
  it('resolves those at or below it and keeps the others waiting', async () => {
    const watermark = new Watermark('flushed', 0)
    const waits = [watermark.reached(0), watermark.reached(10), watermark.reached(11)]
    watermark.advance(10)
    expect(await settled(...waits)).toEqual(['resolved', 'resolved', 'pending'])
  })

  it('resolves waiters that came out of order', async () => {
    const watermark = new Watermark('flushed', 0)
    const waits = [30, 10, 20].map(at => watermark.reached(at))
    watermark.advance(20)
    expect(await settled(...waits)).toEqual(['pending', 'resolved', 'resolved'])
  })

  it('gives each waiter the value it came with, whether it waited or not', async () => {
    const watermark = new Watermark('flushed', 5)
    const waits = [
      watermark.reachedWith(10, 'first'),
      watermark.reachedWith(20, 'second'),
      watermark.reachedWith(5, 'at once'),
    ]
    watermark.advance(20)
    expect(await Promise.all(waits)).toEqual(['first', 'second', 'at once'])
    watermark.fail(new Error('the store has failed'))
    await expect(watermark.reachedWith(30, 'never')).rejects.toThrow('the store has failed')
  })

  it('resolves thousands over several turns, in order, and none of them is rejected by a failure that comes between', async () => {
    const watermark = new Watermark('written', 0)
    const told: number[] = []
    const waits = Array.from({ length: 1000 }, (_, i) =>
      watermark.reached(i + 1).then(() => {
        told.push(i)
      }),
    )
    watermark.advance(1000)
    expect(watermark.hasWaiters).toBe(false)
    for (let i = 0; i < 5; i++) await Promise.resolve()
    expect(told.length).toBeLessThan(1000)
    watermark.fail(new Error('the store has failed'))
    await Promise.all(waits)
    expect(told).toEqual(Array.from({ length: 1000 }, (_, i) => i))
  })

  it('never moves back', () => {
    const watermark = new Watermark('flushed', 5)
    expect(() => watermark.advance(4)).toThrow(AssertionError)
  })

  it('forgets a waiter whose signal aborts, and rejects it with the reason', async () => {
    const watermark = new Watermark('flushed', 0)
    const controller = new AbortController()
    const wait = watermark.reached(10, controller.signal)
    controller.abort()
    await expect(wait).rejects.toMatchObject({ name: 'AbortError' })
    expect(watermark.hasWaiters).toBe(false)
  })

  it('rejects only those beyond a position that will not come', async () => {
    const watermark = new Watermark('written', 0)
    const waits = [watermark.reached(5), watermark.reached(6)]
    watermark.rejectBeyond(5, new Error('no room'))
    watermark.advance(5)
    expect(await settled(...waits)).toEqual(['resolved', 'rejected'])
  })

  it('rejects everyone from the failure on', async () => {
    const watermark = new Watermark('flushed', 3)
    const before = watermark.reached(4)
    watermark.fail(new Error('fsync failed'))
    expect(await settled(before, watermark.reached(4), watermark.reached(3))).toEqual([
      'rejected',
      'rejected',
      'resolved',
    ])
  })

  it('keeps thousands of waiters in order while it advances in steps', async () => {
    const watermark = new Watermark('written', 0)
    const order: number[] = []
    const waits = Array.from({ length: 10_000 }, (_, i) => watermark.reached(i + 1).then(() => order.push(i)))
    for (let at = 1000; at <= 10_000; at += 1000) watermark.advance(at)
    await Promise.all(waits)
    expect(order).toEqual(Array.from({ length: 10_000 }, (_, i) => i))
  })
})
