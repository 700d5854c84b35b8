import { expect, it } from 'vitest'
import { Pace } from '../../src/surfaces/cli/pace.ts'

it('no more sends are in flight than were allowed', async () => {
  const pace = new Pace(3, undefined)
  let inFlight = 0
  let most = 0
  const send = async (): Promise<void> => {
    most = Math.max(most, ++inFlight)
    for (let i = 0; i < 5; i++) await Promise.resolve()
    inFlight--
  }
  for (let i = 0; i < 20; i++) {
    await pace.turn()
    pace.start(send())
  }
  await pace.finished()
  expect([most, inFlight]).toEqual([3, 0])
})

it('the first failure ends it, once every send has ended', async () => {
  const pace = new Pace(2, undefined)
  await pace.turn()
  pace.start(Promise.reject(new Error('full')))
  await pace.turn()
  pace.start(Promise.reject(new Error('later')))
  await expect(pace.turn()).rejects.toThrow('full')
  await expect(pace.finished()).rejects.toThrow('full')
})
