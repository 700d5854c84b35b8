/** Appends to the engine, or through a producer (`api: producer`). */
import { PocketMQ } from '../../../src/index.ts'
import { measureAppends } from '../../support/loops.ts'
import { bodyOf, TOPIC } from '../../support/messages.ts'
import type { Answer, Request } from '../../support/protocol.ts'
import { configurationOf, openStore, Putting, storeOptionsOf } from './opened.ts'

export async function append(request: Request): Promise<Answer> {
  if (request.settings.api === 'producer') return await appendByProducer(request)
  const store = await openStore(request)
  const putting = new Putting(store, request)
  const isDisk = request.durability === 'disk'
  const reached = (): Promise<void> => (isDisk ? store.flushed(putting.lastEnd) : store.written(putting.lastEnd))
  const answer = await measureAppends(request, {
    put: i => {
      const waits = putting.put(i)
      return isDisk ? Promise.resolve(waits).then(reached) : waits
    },
    send: i => {
      const waits = putting.put(i)
      return waits === undefined ? reached() : waits.then(reached)
    },
    settled: reached,
  })
  const waited = performance.now()
  const behindBytes = putting.lastEnd - store.watermarks.dispatched
  await store.dispatched(putting.lastEnd)
  const consumableSeconds = answer.seconds + (performance.now() - waited) / 1000
  await store.close()
  return {
    ...answer,
    figures: { ...answer.figures, consumablePerSecond: answer.operations / consumableSeconds, behindBytes },
    configuration: `${configurationOf(request)}, ${putting.recordBytes} B a record`,
  }
}

async function appendByProducer(request: Request): Promise<Answer> {
  const { durability, size } = request
  const mq = await PocketMQ.open(request.folder, { ...storeOptionsOf(request), topicQueues: 8 })
  const producer = mq.producer()
  const body = bodyOf(size)
  const answer = await measureAppends(request, {
    send: () => producer.send({ topic: TOPIC, body, tag: 'TagA' }, { durability }),
  })
  await mq.close()
  return { ...answer, configuration: configurationOf(request) }
}
