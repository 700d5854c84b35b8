import { expect, test } from 'vitest'
import { Alarms } from '../../src/messaging/alarms.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'

function alarmsOn(clock: ManualClock, kind: 'wall' | 'monotonic' = 'monotonic'): { alarms: Alarms; failures: Error[] } {
  const failures: Error[] = []
  return { alarms: new Alarms(clock, kind, error => failures.push(error)), failures }
}

test('alarms ring at their times, in order, and never early', async () => {
  const clock = new ManualClock()
  const { alarms } = alarmsOn(clock)
  const rang: [number, number][] = []
  const random = seededRandom(3)
  for (let i = 0; i < 200; i++) {
    const ms = Math.floor(random.next() * 10_000)
    alarms.in(ms, () => rang.push([ms, clock.monotonicMs()]))
  }
  await clock.advance(10_000)
  expect(rang.length).toBe(200)
  for (const [due, at] of rang) expect(at).toBe(due)
  expect(alarms.count).toBe(0)
})

test('a cancelled alarm does not ring, also when it was the first', async () => {
  const clock = new ManualClock()
  const { alarms } = alarmsOn(clock)
  const rang: string[] = []
  const first = alarms.in(10, () => rang.push('first'))
  alarms.in(20, () => rang.push('second'))
  alarms.cancel(first)
  alarms.cancel(first)
  await clock.advance(30)
  expect(rang).toEqual(['second'])
})

test('setting and cancelling does not begin a sleep each time', async () => {
  const clock = new ManualClock()
  const { alarms } = alarmsOn(clock)
  for (let i = 0; i < 1000; i++) alarms.cancel(alarms.in(900_000 + i, () => undefined))
  expect(clock.sleepers).toBe(1)
  alarms.close()
})

test('an alarm may set another, and one that throws is reported and stops nothing', async () => {
  const clock = new ManualClock()
  const { alarms, failures } = alarmsOn(clock)
  const rang: string[] = []
  alarms.in(10, () => {
    alarms.in(5, () => rang.push('later'))
    throw new Error('broken')
  })
  alarms.in(10, () => rang.push('same time'))
  await clock.advance(15)
  expect(rang).toEqual(['same time', 'later'])
  expect(failures.map(error => error.message)).toEqual(['broken'])
})

test('never is never, and after close nothing rings', async () => {
  const clock = new ManualClock()
  const { alarms } = alarmsOn(clock)
  const rang: string[] = []
  expect(alarms.in(Number.POSITIVE_INFINITY, () => rang.push('never')).index).toBe(-1)
  alarms.in(5, () => rang.push('closed'))
  alarms.close()
  alarms.in(5, () => rang.push('after'))
  await clock.advance(100)
  expect(rang).toEqual([])
  expect(clock.sleepers).toBe(0)
})

test('by the wall clock, a step forward is noticed within a minute and a step back delays', async () => {
  const clock = new ManualClock()
  const { alarms } = alarmsOn(clock, 'wall')
  const rang: string[] = []
  alarms.in(3_600_000, () => rang.push('in an hour'))
  clock.stepWallClock(3_600_000)
  await clock.advance(60_000)
  expect(rang).toEqual(['in an hour'])
  const dueMs = clock.nowMs() + 1_000
  alarms.at(dueMs, () => rang.push('due'))
  clock.stepWallClock(-500)
  await clock.advance(1_400)
  expect(rang).toEqual(['in an hour'])
  await clock.advance(100)
  expect(rang).toEqual(['in an hour', 'due'])
})
