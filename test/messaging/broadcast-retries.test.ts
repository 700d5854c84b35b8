import { expect, test } from 'vitest'
import type { PushConsumerOptions } from '../../src/messaging/consumer-options.ts'
import { settled } from './consuming-bench.ts'
import { openQueue } from './queue-on-disk.ts'

const SCREENS = {
  consumerGroup: 'screens',
  subscriptions: { news: '*' },
  mode: 'broadcasting',
  retryLocal: true,
  maxAttempts: 2,
} as const

function failing(attempts: string[], name: string): PushConsumerOptions {
  return {
    ...SCREENS,
    instanceName: name,
    messageListener: message => {
      attempts.push(`${name} ${message.deliveryAttempt}`)
      throw new Error('the screen is dark')
    },
  }
}

test('with retryLocal a message comes again to the instance that failed, by the table, and is dropped when its attempts are used up', async () => {
  const { mq, clock } = await openQueue()
  const attempts: string[] = []
  const shown: string[] = []
  const dropped: number[] = []
  mq.on('broadcast-dropped', ({ queueOffset }) => dropped.push(queueOffset))
  await mq.pushConsumer(failing(attempts, 'north'))
  await mq.pushConsumer({
    ...SCREENS,
    instanceName: 'south',
    messageListener: message => void shown.push(`${message.body}`),
  })
  await mq.producer().send({ topic: 'news', body: 'gate 7' })
  await settled()
  await clock.advance(9999)
  await settled()
  expect(attempts).toEqual(['north 1'])
  await clock.advance(1)
  await settled()
  await clock.advance(29_999)
  await settled()
  expect(attempts).toEqual(['north 1', 'north 2'])
  await clock.advance(1)
  await settled()
  expect([attempts, dropped, shown]).toEqual([['north 1', 'north 2', 'north 3'], [0], ['gate 7']])
  await clock.advance(3_600_000)
  await settled()
  expect(attempts).toHaveLength(3)
  expect(mq.store.queues().filter(({ topic }) => topic.startsWith('%'))).toEqual([])
})

test('what waits for another local attempt comes again after a restart', async () => {
  const { mq, disk, clock } = await openQueue()
  const attempts: string[] = []
  await mq.pushConsumer(failing(attempts, 'north'))
  await mq.producer().send({ topic: 'news', body: 'gate 7' })
  await settled()
  const again = await openQueue({}, { disk: disk.kill(), clock })
  await again.mq.pushConsumer(failing(attempts, 'north'))
  await settled()
  expect(attempts).toEqual(['north 1', 'north 1'])
})

test('retryLocal of a consumer that shares messages is refused: what fails there is tried again anyway', async () => {
  const { mq } = await openQueue()
  const options = { ...SCREENS, mode: 'clustering', messageListener: () => undefined } as const
  await expect(mq.pushConsumer(options)).rejects.toMatchObject({
    code: 'POCKETMQ_INVALID_ARGUMENT',
    details: { option: 'retryLocal' },
  })
})
