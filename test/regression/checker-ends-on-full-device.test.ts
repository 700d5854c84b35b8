/**
 * Was, with `io: 'mmap'`: waiting for room found the device full, and what waited gave up. A checker's answer that was not taken
 * ended all answers of its producer, and the transactions of that group were given up; a failed message's copy was never made.
 */
import { expect, it } from 'vitest'
import { PocketMQError } from '../../src/base/errors.ts'
import type { ClientEvent, EndTransactionResult } from '../../src/messaging/core-types.ts'
import { answerTransactionChecks } from '../../src/messaging/transaction-checks.ts'
import { waitForRoom } from '../../src/messaging/wait-for-room.ts'
import { ManualClock } from '../../src/testing/testing.ts'

const refusal = (name: 'BACKPRESSURE' | 'DISK_FULL' | 'IO'): PocketMQError =>
  new PocketMQError(name, 'refused by the test', { hint: 'none' })

it('an answer that is not taken ends no other', async () => {
  const message = { record: new Uint8Array(200), queueOffset: 0, physicalOffset: 0, sizeBytes: 200 }
  async function* events(): AsyncGenerator<ClientEvent> {
    for (const transactionId of ['one', 'two']) {
      const place = { halfQueueOffset: 0, halfPhysicalOffset: 0, messageId: transactionId }
      yield { kind: 'check-transaction', producerGroup: 'shop', transactionId, ...place, message }
    }
  }
  const asked: string[] = []
  const refused: string[] = []
  const endTransaction = async ({ transactionId }: { transactionId: string }): Promise<EndTransactionResult> => {
    asked.push(transactionId)
    if (transactionId === 'one') throw refusal('DISK_FULL')
    return { status: 'ok' }
  }
  await answerTransactionChecks({
    ...{ clients: { events }, core: { endTransaction }, clientId: 'client', checker: () => 'commit' },
    ...{ signal: new AbortController().signal, onRefused: error => refused.push((error as PocketMQError).code) },
  })
  expect(asked).toEqual(['one', 'two'])
  expect(refused).toEqual(['POCKETMQ_DISK_FULL'])
})

it('a full device that is met while room is waited for is waited for too', async () => {
  const clock = new ManualClock()
  const store = { clock, admitted: (): Promise<void> => Promise.reject(refusal('DISK_FULL')) }
  let isOver = false
  const waited = waitForRoom(store, refusal('BACKPRESSURE'), 100).then(() => {
    isOver = true
  })
  await clock.advance(500)
  expect(isOver).toBe(false)
  await clock.advance(1000)
  await waited
  await expect(waitForRoom(store, refusal('IO'), 100)).rejects.toMatchObject({ code: 'POCKETMQ_IO' })
})
