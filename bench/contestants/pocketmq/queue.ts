/** Queue work: a producer, a push consumer with a handler that does nothing, its progress persisted. */
import { PocketMQ } from '../../../src/index.ts'
import { TOPIC } from '../../support/messages.ts'
import type { Answer, Request } from '../../support/protocol.ts'
import { measureQueue } from '../../support/queue-loops.ts'
import { configurationOf, storeOptionsOf } from './opened.ts'

/** Handlers at once when flat out: none of them waits for anything. */
const CONCURRENCY = 256

export async function queue(request: Request): Promise<Answer> {
  const mq = await PocketMQ.open(request.folder, { ...storeOptionsOf(request), topicQueues: 8 })
  const producer = mq.producer()
  const answer = await measureQueue(request, async handle => {
    const consumer = await mq.pushConsumer({
      consumerGroup: 'bench',
      subscriptions: { [TOPIC]: '*' },
      concurrency: CONCURRENCY,
      messageListener: async message => handle(message.body),
    })
    return {
      send: body => producer.send({ topic: TOPIC, body, tag: 'TagA' }, { durability: request.durability }),
      close: () => consumer.close(),
    }
  })
  await mq.close()
  return { ...answer, configuration: configurationOf(request) }
}
