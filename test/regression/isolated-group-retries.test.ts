/**
 * A group made by `onSubscriptionMismatch: 'isolate'` is called `group~hash8`, and no topic may have a `~`: what failed in it was
 * parked for a retry topic that could not be, and was dropped when its time had come; and administration refused its name.
 */
import { expect, test } from 'vitest'
import { settled } from '../messaging/consuming-bench.ts'
import { openQueue } from '../messaging/queue-on-disk.ts'

test('what fails in an isolated group is tried again, becomes a dead letter, and is sent back', async () => {
  const { mq, clock } = await openQueue()
  const errors: unknown[] = []
  mq.on('error', ({ error }) => errors.push(error))
  await mq.pushConsumer({
    consumerGroup: 'billing',
    subscriptions: { orders: 'paid' },
    messageListener: () => undefined,
  })
  const attempts: number[] = []
  const isolated = await mq.pushConsumer({
    consumerGroup: 'billing',
    subscriptions: { orders: 'refunded' },
    onSubscriptionMismatch: 'isolate',
    maxAttempts: 1,
    messageListener: message => {
      attempts.push(message.deliveryAttempt)
      if (attempts.length <= 2) throw new Error('not today')
    },
  })
  const { group } = isolated
  expect(group).toMatch(/^billing~[0-9a-f]{8}$/)
  await mq.producer().send({ topic: 'orders', body: '1', tag: 'refunded' })
  await settled()
  await clock.advance(10_000)
  await settled()
  expect(attempts).toEqual([1, 2])
  expect((await mq.admin.deadLetters(group)).map(({ topic }) => topic)).toEqual(['orders'])
  expect(await mq.admin.deadLetters('billing')).toEqual([])
  expect(await mq.admin.redrive({ group })).toEqual({ redriven: 1, left: 0 })
  await mq.admin.waitUntilEmpty(group)
  expect(attempts).toEqual([1, 2, 1])
  expect((await mq.admin.groupProgress(group)).lagMessages).toBe(0)
  await mq.admin.resetOffset({ group, topic: 'orders', to: 'last' })
  await isolated.close()
  await mq.admin.deleteGroup(group)
  expect((await mq.admin.groups()).map(view => view.group)).toEqual(['billing'])
  expect(errors).toEqual([])
})
