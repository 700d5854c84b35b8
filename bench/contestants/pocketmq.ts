/** PocketMQ, measured as its users call it: the engine (`api: store`) or a producer (`api: producer`). */
import { isErrorNamed } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/index.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import type { Put } from '../support/loops.ts'
import { measureAppends, measurePasses } from '../support/loops.ts'
import { bodyOf, messageOf, messagesToRead, TOPIC } from '../support/messages.ts'
import type { Answer, Request } from '../support/protocol.ts'
import { serve } from '../support/protocol.ts'

/** Beyond what a body takes: header, topic, properties, with room to spare. */
const OVERHEAD_BYTES = 300
const READ_BATCH = 256

async function append(request: Request): Promise<Answer> {
  if (request.settings.api === 'producer') return await appendByProducer(request)
  const store = await openStore(request)
  const reached = (end: number): Promise<void> =>
    request.durability === 'disk' ? store.flushed(end) : store.written(end)
  const put = putOf(store, request)
  const answer = await measureAppends(request, {
    put: i => {
      const waits = put(i)
      return request.durability === 'disk'
        ? Promise.resolve(waits).then(() => reached(store.watermarks.appended))
        : waits
    },
    send: async i => {
      const waits = put(i)
      if (waits !== undefined) await waits
      await reached(lastEnd)
    },
    settled: () => reached(store.watermarks.appended),
  })
  const waited = performance.now()
  const behind = store.watermarks.appended - store.watermarks.dispatched
  await store.dispatched(store.watermarks.appended)
  const consumableSeconds = answer.seconds + (performance.now() - waited) / 1000
  await store.close()
  return {
    ...answer,
    figures: { ...answer.figures, consumablePerSecond: answer.operations / consumableSeconds, behindBytes: behind },
    configuration: configurationOf(request),
  }
}

/** Where the last record ends; a variable, so that a put makes no object of its own for the benchmark. */
let lastEnd = 0

function putOf(store: MessageStore, { size, settings }: Request): Put {
  const queues = Number(settings.queues ?? 8)
  const put: Put = i => {
    try {
      const { physicalOffset, sizeBytes } = store.put(messageOf(i, size, queues))
      lastEnd = physicalOffset + sizeBytes
    } catch (error) {
      if (!isErrorNamed(error, 'BACKPRESSURE')) throw error
      return store.admitted(size + OVERHEAD_BYTES).then(() => put(i))
    }
  }
  return put
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

/** Whole messages in queue order; `touch` says what of each is looked at. */
async function read(request: Request): Promise<Answer> {
  const filling = await openStore(request)
  const messages = messagesToRead(request.size)
  const put = putOf(filling, request)
  for (let i = 0; i < messages; i++) await put(i)
  await filling.close()
  const store = await openStore(request)
  const isWhole = request.settings.touch !== 'headers'
  const answer = await measurePasses(request, () => readAll(store, isWhole))
  await store.close()
  return { ...answer, figures: { ...answer.figures, stored: messages }, configuration: configurationOf(request) }
}

async function readAll(store: MessageStore, isWhole: boolean): Promise<number> {
  let messages = 0
  let seen = 0
  for (const { topic, queueId, minQueueOffset, maxQueueOffset } of store.queues()) {
    for (let queueOffset = minQueueOffset; queueOffset < maxQueueOffset; ) {
      const result = await store.read({ topic, queueId, queueOffset, maxMessages: READ_BATCH })
      for (const message of result.messages) {
        seen += isWhole ? message.body.length : message.queueOffset + message.storeTimestamp
        messages++
      }
      if (result.nextQueueOffset === queueOffset) throw new Error(`stuck with ${result.status}`)
      queueOffset = result.nextQueueOffset
    }
  }
  if (seen === 0) throw new Error('nothing was read')
  return messages
}

async function openStore(request: Request): Promise<MessageStore> {
  return await MessageStore.open(request.folder, storeOptionsOf(request))
}

function storeOptionsOf({ settings, durability }: Request): StoreOptions {
  return {
    durability,
    io: settings.io === 'mmap' ? 'mmap' : 'file',
    recordCrc: settings.recordCrc !== false,
    logger: silentLogger,
  }
}

function configurationOf({ settings }: Request): string {
  const differs = Object.entries(settings).map(([name, value]) => `${name} ${value}`)
  return `defaults${differs.length > 0 ? `, ${differs.join(', ')}` : ''}`
}

await serve({ append, read })
