/** Reads: in queue order, whole or headers only; by tag, by SQL and by key. */
import { PocketMQ } from '../../../src/index.ts'
import type { MessageStore } from '../../../src/store/message-store.ts'
import { measurePasses } from '../../support/loops.ts'
import { javaHash, keyOf, messagesToRead, RARE_ONE_IN, RARE_TAG, rareMessageOf, TOPIC } from '../../support/messages.ts'
import type { Answer, Request } from '../../support/protocol.ts'
import { Unsupported } from '../../support/protocol.ts'
import { configurationOf, OVERHEAD_BYTES, openStore, Putting, storeOptionsOf } from './opened.ts'

const READ_BATCH = 256

/** Whole messages in queue order; `touch` says what of each is looked at. */
export async function read(request: Request): Promise<Answer> {
  const filling = await openStore(request)
  const stored = messagesToRead(request.size)
  await new Putting(filling, request).fill(stored)
  await filling.close()
  let store = await openStore(request)
  const isWhole = request.settings.touch !== 'headers'
  const reopen = async (): Promise<void> => {
    await store.close()
    store = await openStore(request)
  }
  const answer = await measurePasses(request, () => readAll(store, isWhole), reopen)
  await store.close()
  return { ...answer, figures: { ...answer.figures, stored }, configuration: configurationOf(request) }
}

/** A batch of each queue in turn, as those consume who have all of a topic's queues. */
async function readAll(store: MessageStore, isWhole: boolean, tagsCodes?: ReadonlySet<number>): Promise<number> {
  let messages = 0
  let seen = 0
  const queues = store.queues().map(queue => ({ ...queue, at: queue.minQueueOffset }))
  for (let left = queues; left.length > 0; left = left.filter(({ at, maxQueueOffset }) => at < maxQueueOffset)) {
    for (const queue of left) {
      const asked = { topic: queue.topic, queueId: queue.queueId, queueOffset: queue.at, maxMessages: READ_BATCH }
      const result = await store.read(tagsCodes === undefined ? asked : { ...asked, tagsCodes })
      for (const message of result.messages) {
        seen += isWhole ? message.body.length : message.queueOffset + message.storeTimestamp
        messages++
      }
      if (result.nextQueueOffset === queue.at) throw new Error(`stuck with ${result.status}`)
      queue.at = result.nextQueueOffset
    }
  }
  if (seen === 0) throw new Error('nothing was read')
  return messages
}

/** Of messages of which one in a hundred matches: how many are passed over or delivered in a second; by key, look-ups. */
export async function select(request: Request): Promise<Answer> {
  const stored = messagesToRead(request.size)
  const filling = await openStore(request)
  for (let i = 0; i < stored; i++) {
    if (i % READ_BATCH === 0) await filling.admitted(READ_BATCH * (request.size + OVERHEAD_BYTES))
    filling.put(rareMessageOf(i, request.size))
  }
  await filling.close()
  const { by } = request.settings
  const answer =
    by === 'tag'
      ? await byTag(request, stored)
      : by === 'key'
        ? await byKey(request, stored)
        : await bySql(request, stored)
  return { ...answer, configuration: configurationOf(request) }
}

async function byTag(request: Request, stored: number): Promise<Answer> {
  const store = await openStore(request)
  const tagsCodes = new Set([javaHash(RARE_TAG)])
  const answer = await measurePasses(request, async () => {
    const found = await readAll(store, true, tagsCodes)
    if (found !== Math.ceil(stored / RARE_ONE_IN)) throw new Error(`${found} of ${stored} matched`)
    return stored
  })
  await store.close()
  return answer
}

async function bySql(request: Request, stored: number): Promise<Answer> {
  if (request.settings.by !== 'sql') throw new Unsupported(`does not select by ${request.settings.by}`)
  const mq = await PocketMQ.open(request.folder, storeOptionsOf(request))
  const answer = await measurePasses(request, async () => {
    let wanted = Math.ceil(stored / RARE_ONE_IN)
    for await (const message of mq.tail(TOPIC, { from: 'first', expression: { sql: 'amount > 100' } })) {
      if (message.body.length > 0 && --wanted === 0) break
    }
    return stored
  })
  await mq.close()
  return answer
}

async function byKey(request: Request, stored: number): Promise<Answer> {
  const store = await openStore(request)
  let i = 0
  const answer = await measurePasses(request, async () => {
    for (let n = 0; n < READ_BATCH; n++) {
      i = (i + 7919) % stored
      const found = await store.queryByKey(TOPIC, keyOf(i), { max: 1 })
      if (found.length !== 1) throw new Error(`key ${i} was not found`)
    }
    return READ_BATCH
  })
  await store.close()
  return answer
}
