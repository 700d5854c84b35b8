/**
 * The offsets of the half and the op queue are two entries of the offset log. A power cut left the op queue's new one and the half
 * queue's old one: what the op messages between had decided counted as undecided, and was committed once more.
 */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { HalfMessages } from '../../src/messaging/half-messages.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { OP_TOPIC } from '../../src/messaging/topics.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

it('what is decided stays decided where the op queue has a newer offset than the half queue', async () => {
  const mq = await PocketMQ.open(join(temporaryFolder(), 'store'), { logger: silentLogger })
  const producer = mq.producer({ group: 'shop', checker: () => 'unknown' })
  for (const body of ['one', 'two', 'three']) {
    const transaction = producer.beginTransaction()
    await producer.send({ topic: 'orders', body }, transaction)
    if (body !== 'three') await transaction.commit()
  }
  await mq.store.dispatched(mq.store.watermarks.appended)
  const ops = mq.store.queueRange(OP_TOPIC, 0)?.maxQueueOffset ?? 0
  expect(ops).toBe(2)
  const halves = await HalfMessages.read(mq.store, { half: 0, op: ops })
  expect([...halves.all()].map(half => half.queueOffset)).toEqual([2])
  await mq.close({ drainMs: 0 })
})
