import { expect, it } from 'vitest'
import { MessageReader } from '../../src/store/message-reader.ts'
import { PROOF_MS, ProvenRecords } from '../../src/store/proven-records.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { readerRig } from './reader-rig.ts'

it('a proof holds for the record it was given for, and for a minute', async () => {
  const clock = new ManualClock()
  const proven = new ProvenRecords(clock)
  proven.tick()
  proven.add(10_000_091)
  expect([proven.has(10_000_091), proven.has(10_000_000), proven.has(10_000_191)]).toEqual([true, false, false])
  await clock.advance(PROOF_MS - 1)
  proven.tick()
  expect(proven.has(10_000_091)).toBe(true)
  await clock.advance(1)
  proven.tick()
  expect(proven.has(10_000_091)).toBe(false)
})

it('proofs of 4 GiB of log are kept, older ones go first', () => {
  const proven = new ProvenRecords(new ManualClock())
  proven.tick()
  const step = 4 * 1024 * 1024
  for (let page = 0; page <= 1024; page++) proven.add(page * step)
  expect([proven.has(0), proven.has(step), proven.has(1024 * step)]).toEqual([false, true, true])
})

it('a bit that flips within a minute of a read is found by the first read after it', async () => {
  const { log, queues, dispatcher, clock } = await readerRig()
  log.put({ topic: 'orders', body: Buffer.from('abc') })
  dispatcher.wake()
  const reader = new MessageReader({
    log,
    queues,
    index: undefined,
    checks: () => ({ body: true, record: 'present', position: true }),
    dispatched: () => dispatcher.dispatched.value,
    proven: new ProvenRecords(clock),
  })
  const request = { topic: 'orders', queueId: 0, queueOffset: 0, maxMessages: 1 }
  expect((await reader.read(request)).status).toBe('found')
  const body = log.bytes.indexOf('abc')
  log.bytes[body] = (log.bytes[body] as number) ^ 1
  expect((await reader.read(request)).status).toBe('found')
  await clock.advance(PROOF_MS)
  expect((await reader.read(request)).status).toBe('message-was-removing')
})
